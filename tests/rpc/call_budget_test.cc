#include "server/rpc/call_budget.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kMiB = 1 << 20;

class CallBudgetTest : public ::testing::Test {
 protected:
  void Note(const std::optional<EndConnection>& end) {
    if (!end) return;
    ended.push_back(end->peer);
    why = end->why;
  }
  CallBudget::Call Open(const std::string& peer) {
    CallBudget::Call call;
    Note(budget.Open(peer, now, call));
    return call;
  }
  void Answer(CallBudget::Call& call, int64_t bytes) { Note(budget.Answer(call, bytes)); }
  void Close(CallBudget::Call call, bool reset = false) { Note(budget.Close(call, reset, now)); }
  void OpenAndClose(const std::string& peer, bool reset, int times = 1) {
    for (int i = 0; i < times; ++i) Close(Open(peer), reset);
  }

  absl::Time now = absl::FromUnixSeconds(1'000'000);
  CallBudget budget{{.per_connection = 3, .bytes = kMiB}};
  std::vector<std::string> ended;
  Misuse why{};
};

TEST_F(CallBudgetTest, OneOpenCallTooManyEndsTheConnectionOnce) {
  for (int i = 0; i < 3; ++i) Open("a");
  EXPECT_THAT(ended, IsEmpty());
  Open("a");
  Open("a");
  EXPECT_THAT(ended, ElementsAre("a"));
  EXPECT_EQ(why, Misuse::kCalls);
}

TEST_F(CallBudgetTest, AClosedCallMakesRoom) {
  OpenAndClose("a", /*reset=*/false, 100);
  EXPECT_THAT(ended, IsEmpty());
  EXPECT_EQ(budget.bytes(), 0);
  EXPECT_EQ(budget.connections(), 0);
}

TEST_F(CallBudgetTest, AnswersThatArentSentEndTheConnectionThatHasMostOfThem) {
  CallBudget::Call large = Open("large"), small = Open("small");
  Answer(large, kMiB / 2);
  Answer(small, kMiB / 4);
  EXPECT_THAT(ended, IsEmpty());
  CallBudget::Call last = Open("small");
  Answer(last, kMiB / 5);
  EXPECT_THAT(ended, ElementsAre("large"));
  EXPECT_EQ(why, Misuse::kMemory);
}

TEST_F(CallBudgetTest, AnAnswerThatWasSentCostsNothing) {
  CallBudget::Call stream = Open("a");
  for (int i = 0; i < 10; ++i) {
    Answer(stream, kMiB / 2);
    budget.Sent(stream);
  }
  EXPECT_THAT(ended, IsEmpty());
  EXPECT_EQ(budget.bytes(), CallBudget::kCallBytes);
}

TEST_F(CallBudgetTest, CallsOfManyConnectionsCostToo) {
  const int room = kMiB / CallBudget::kCallBytes;
  Open("two");
  for (int i = 0; i < room - 1; ++i) Open(std::to_string(i));
  EXPECT_THAT(ended, IsEmpty());
  Open("two");
  EXPECT_THAT(ended, ElementsAre("two"));
  EXPECT_EQ(why, Misuse::kMemory);
}

TEST_F(CallBudgetTest, WhatAnEndedConnectionStillHoldsIsntChargedToOthers) {
  CallBudget::Call large = Open("large");
  Answer(large, 2 * kMiB);
  EXPECT_THAT(ended, ElementsAre("large"));
  Open("large");
  CallBudget::Call other = Open("other");
  Answer(other, kMiB / 2);
  EXPECT_THAT(ended, ElementsAre("large"));
  EXPECT_EQ(budget.bytes(), CallBudget::kCallBytes + kMiB / 2);
}

TEST_F(CallBudgetTest, AConnectionThatResetsItsCallsAtOnceIsEnded) {
  OpenAndClose("a", /*reset=*/true, CallBudget::kResets);
  EXPECT_THAT(ended, IsEmpty());
  OpenAndClose("a", /*reset=*/true);
  EXPECT_THAT(ended, ElementsAre("a"));
  EXPECT_EQ(why, Misuse::kResets);
}

TEST_F(CallBudgetTest, AClientThatResetsHalfOfItsCallsStays) {
  for (int i = 0; i < 10 * CallBudget::kResets; ++i) {
    OpenAndClose("a", /*reset=*/true);
    OpenAndClose("a", /*reset=*/false);
  }
  EXPECT_THAT(ended, IsEmpty());
}

TEST_F(CallBudgetTest, ALaterConnectionOfTheSameNameStartsAnew) {
  OpenAndClose("a", /*reset=*/true, CallBudget::kResets + 1);
  OpenAndClose("a", /*reset=*/true, CallBudget::kResets);
  EXPECT_THAT(ended, ElementsAre("a"));
}

TEST_F(CallBudgetTest, ALaterConnectionHasLimitsThoughACallOfAnEndedOneOfItsNameStillLives) {
  CallBudget::Call old;
  for (int i = 0; i < 4; ++i) old = Open("a");
  budget.Connected("a");
  for (int i = 0; i < 3; ++i) Open("a");
  EXPECT_EQ(budget.bytes(), 3 * CallBudget::kCallBytes);
  EXPECT_THAT(ended, ElementsAre("a"));
  Open("a");
  EXPECT_THAT(ended, ElementsAre("a", "a"));
}

TEST_F(CallBudgetTest, TheLastCallOfAnEndedConnectionTakesNoLaterOneOfItsNameAlong) {
  std::vector<CallBudget::Call> old;
  for (int i = 0; i < 4; ++i) old.push_back(Open("a"));
  budget.Connected("a");
  const CallBudget::Call later = Open("a");
  for (const CallBudget::Call& call : old) Close(call);
  EXPECT_EQ(budget.connections(), 1);
  Close(later);
  EXPECT_EQ(budget.connections(), 0);
}

TEST_F(CallBudgetTest, TwoConnectionsOfOneNameHaveTheLimitsOfOne) {
  for (int i = 0; i < 2; ++i) Open("a");
  budget.Connected("a");
  for (int i = 0; i < 2; ++i) Open("a");
  EXPECT_THAT(ended, ElementsAre("a"));
}

TEST_F(CallBudgetTest, ConnectionsThatWereResetAndAreGoneAreForgotten) {
  for (int i = 0; i < 1024; ++i) OpenAndClose(std::to_string(i), /*reset=*/true);
  EXPECT_EQ(budget.connections(), 1024);
  now += absl::Seconds(11);
  Open("new");
  EXPECT_EQ(budget.connections(), 1);
}

}  // namespace
}  // namespace patchserve
