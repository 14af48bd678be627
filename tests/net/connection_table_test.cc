#include "server/net/connection_table.h"

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kPeer = 1, kOther = 2;

class FakeConnections : public Connections {
 public:
  bool IsOpen(const Connection& connection) const override {
    ++looks;
    return !closed.contains(connection.fd);
  }
  Silence SilenceOf(const Connection& connection) const override {
    const auto it = silence.find(connection.fd);
    return it == silence.end() ? Silence{} : it->second;
  }
  void End(const Connection& connection) override { ended.push_back(connection.fd); }

  void Reset(const Connection& connection) override {
    if (!closed.contains(connection.fd)) was_reset.push_back(connection.fd);
  }

  mutable int looks = 0;
  std::set<int> closed;
  std::map<int, Silence> silence;
  std::vector<int> ended, was_reset;
};

class ConnectionTableTest : public ::testing::Test {
 protected:
  Verdict Admit(int fd, uint64_t peer = kPeer) {
    return table.Admit({.fd = fd, .socket = 1, .peer = peer}, now);
  }

  absl::Time now = absl::FromUnixSeconds(1'000'000);
  FakeConnections connections;
  ConnectionTable table{{.total = 3, .per_peer = 2}, connections};
};

TEST_F(ConnectionTableTest, OneBeyondThoseOfAllPeersIsRefused) {
  EXPECT_EQ(Admit(1), Verdict::kAdmitted);
  EXPECT_EQ(Admit(2, kOther), Verdict::kAdmitted);
  EXPECT_EQ(Admit(3, kOther), Verdict::kAdmitted);
  EXPECT_EQ(Admit(4, 3), Verdict::kFull);
  EXPECT_EQ(table.CountOpen(), 3);
}

TEST_F(ConnectionTableTest, OneBeyondThoseOfAPeerIsRefusedAndAnotherPeerIsNot) {
  Admit(1);
  Admit(2);
  EXPECT_EQ(Admit(3), Verdict::kPeerFull);
  EXPECT_EQ(Admit(4, kOther), Verdict::kAdmitted);
}

TEST_F(ConnectionTableTest, AClosedOneLeavesItsPlace) {
  Admit(1);
  Admit(2);
  connections.closed = {1};
  EXPECT_EQ(Admit(3), Verdict::kAdmitted);
  EXPECT_EQ(table.CountOpen(), 2);
}

TEST_F(ConnectionTableTest, ANumberThatComesAgainIsANewConnection) {
  Admit(1);
  Admit(2);
  EXPECT_EQ(Admit(2), Verdict::kAdmitted);
  EXPECT_EQ(table.CountOpen(), 2);
}

TEST_F(ConnectionTableTest, TheOneThatWasSilentForLongestMakesRoom) {
  Admit(1);
  Admit(2, kOther);
  Admit(3, kOther);
  connections.silence = {{1, {absl::Seconds(31)}}, {2, {absl::Seconds(40)}}};
  EXPECT_EQ(Admit(4, 3), Verdict::kAdmitted);
  EXPECT_THAT(connections.ended, ElementsAre(2));
  EXPECT_EQ(table.ended(), 1);
}

TEST_F(ConnectionTableTest, OneThatNeverSentAnythingMakesRoomAfterASecondAndOthersDont) {
  Admit(1);
  Admit(2, kOther);
  Admit(3, kOther);
  connections.silence = {{1, {absl::Seconds(2)}}, {2, {absl::Milliseconds(900), true}}};
  EXPECT_EQ(Admit(4, 3), Verdict::kFull);
  EXPECT_THAT(connections.ended, IsEmpty());
  now += absl::Seconds(1);
  connections.silence[2].lasts = absl::Milliseconds(1900);
  EXPECT_EQ(Admit(4, 3), Verdict::kAdmitted);
  EXPECT_THAT(connections.ended, ElementsAre(2));
}

TEST_F(ConnectionTableTest, APeerMakesRoomForItselfOnlyAmongItsOwn) {
  ConnectionTable wide({.total = 10, .per_peer = 2}, connections);
  for (const int fd : {1, 2}) wide.Admit({.fd = fd, .socket = 1, .peer = kPeer}, now);
  wide.Admit({.fd = 3, .socket = 1, .peer = kOther}, now);
  connections.silence = {{2, {absl::Minutes(1)}}, {3, {absl::Hours(1)}}};
  EXPECT_EQ(wide.Admit({.fd = 4, .socket = 1, .peer = kPeer}, now), Verdict::kAdmitted);
  EXPECT_THAT(connections.ended, ElementsAre(2));
}

TEST_F(ConnectionTableTest, AFloodOfRefusedOnesCostsALookInATenthOfASecond) {
  Admit(1);
  Admit(2);
  Admit(3);
  const int after_first = connections.looks;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Admit(3), Verdict::kPeerFull);
  EXPECT_EQ(connections.looks, after_first);
  connections.closed = {1};
  now += absl::Milliseconds(100);
  EXPECT_EQ(Admit(3), Verdict::kAdmitted);
}

TEST_F(ConnectionTableTest, OneIsResetByTheNameOfItsPeer) {
  for (const int fd : {1, 2}) {
    table.Admit({.fd = fd, .socket = 1, .peer = kPeer, .name = absl::StrCat("peer ", fd)}, now);
  }
  table.Reset("peer 2");
  table.Reset("peer 3");
  EXPECT_THAT(connections.was_reset, ElementsAre(2));
}

TEST_F(ConnectionTableTest, AClosedOneOfTheSameNameDoesntKeepTheOpenOneFromBeingReset) {
  for (const int fd : {1, 2}) {
    table.Admit({.fd = fd, .socket = 1, .peer = kPeer, .name = "peer"}, now);
  }
  connections.closed = {1};
  table.Reset("peer");
  EXPECT_THAT(connections.was_reset, ElementsAre(2));
}

TEST_F(ConnectionTableTest, AllCanBeEnded) {
  Admit(1);
  Admit(2, kOther);
  table.EndAll();
  EXPECT_THAT(connections.ended, ElementsAre(1, 2));
}

}  // namespace
}  // namespace patchserve
