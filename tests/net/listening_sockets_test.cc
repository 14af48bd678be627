#include "server/net/listening_sockets.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "tests/no_descriptors.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;

std::string Error(const std::string& address) {
  return std::string(ListenOn(address).status().message());
}

TEST(ListeningSocketsTest, PortZeroIsAnyThatIsFree) {
  const auto bound = ListenOn("127.0.0.1:0");
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_GT(bound->port, 0);
}

TEST(ListeningSocketsTest, APortInUseAndAnAddressOfAnotherMachineAreToldApart) {
  const auto bound = ListenOn("127.0.0.1:0");
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(Error(absl::StrCat("127.0.0.1:", bound->port)), "the port is in use");
  EXPECT_EQ(Error("192.0.2.1:0"), "this machine has no such address");  // RFC 5737: nobody's
  EXPECT_THAT(Error("no-such-host.invalid:0"), HasSubstr("\"no-such-host.invalid\" is no address"));
}

TEST(ListeningSocketsTest, WhereThereIsNoSocketItSaysWhy) {
  const NoDescriptors none;
  for (const char* address : {"127.0.0.1:0", "[::1]:0"}) {
    EXPECT_EQ(Error(address), "Too many open files") << address;
  }
}

TEST(ListeningSocketsTest, AWildcardIsInUseWhereOneOfItsAddressesIs) {
  const auto bound = ListenOn("127.0.0.1:0");
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(Error(absl::StrCat("0.0.0.0:", bound->port)), "the port is in use");
}

TEST(ListeningSocketsTest, AnIPv6AddressStandsInBrackets) {
  const auto bound = ListenOn("[::1]:0");
  if (!bound.ok()) {  // a machine without IPv6 says so
    EXPECT_THAT(bound.status().message(), HasSubstr("this machine has no"));
    return;
  }
  EXPECT_EQ(Error(absl::StrCat("[::1]:", bound->port)), "the port is in use");
}

}  // namespace
}  // namespace patchserve
