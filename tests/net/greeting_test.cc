#include "server/net/greeting.h"

#include <gtest/gtest.h>

namespace patchserve {
namespace {

TEST(GreetingTest, TlsBeginsWithAClientHello) {
  const std::string greeting = TlsGreeting();
  ASSERT_GT(greeting.size(), 100);
  EXPECT_EQ(greeting[0], 22);  // RFC 8446, 5.1: a record of the handshake
  EXPECT_EQ(greeting[5], 1);   // 4: client_hello
}

TEST(GreetingTest, Http2EndsWithAnEmptySettingsFrame) {
  EXPECT_EQ(Http2Greeting().size(), 24 + 9);
  EXPECT_EQ(Http2Greeting()[27], 4);
}

}  // namespace
}  // namespace patchserve
