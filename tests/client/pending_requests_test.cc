#include "client/pending_requests.h"

#include <gmock/gmock.h>

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;

const absl::Time t0 = absl::UnixEpoch();
const absl::Duration ms = absl::Milliseconds(1);
const absl::Status kUnavailable = absl::UnavailableError("later");
const absl::Status kFull = absl::ResourceExhaustedError("full");
constexpr auto kNoWord = std::nullopt;  // of when to try again

class PendingRequestsTest : public testing::Test {
 protected:
  void Add(const std::string& image, absl::Duration deadline = absl::InfiniteDuration()) {
    v1::ClassifyRequest request;
    request.set_encoded(image);
    pending.Add(
        std::move(request), deadline, [](auto) {}, t0);
  }
  // Images that are sent when everything is that can be.
  std::vector<std::string> Sent(absl::Time now = t0) {
    std::vector<std::string> images;
    while (pending.AnythingToSend()) images.push_back(pending.NextToSend(now)->request().encoded());
    return images;
  }
  std::string SendOne() { return pending.NextToSend(t0)->request().id(); }

  PendingRequests pending{/*retry=*/true, /*seed=*/1};
};

TEST_F(PendingRequestsTest, RequestsAreSentInOrderEachUnderAnIdOfItsOwn) {
  Add("a"), Add("b");
  const auto a = pending.NextToSend(t0), b = pending.NextToSend(t0);
  EXPECT_EQ(a->request().encoded(), "a");
  EXPECT_EQ(b->request().encoded(), "b");
  EXPECT_NE(a->request().id(), b->request().id());
  EXPECT_FALSE(pending.AnythingToSend());
}

TEST_F(PendingRequestsTest, AMessageCarriesTheTimeThatIsLeft) {
  Add("a", 1500 * ms);
  const auto message = pending.NextToSend(t0 + 200 * ms);
  EXPECT_EQ(message->timeout().seconds(), 1);
  EXPECT_EQ(message->timeout().nanos(), 300'000'000);
}

TEST_F(PendingRequestsTest, WithoutADeadlineThereIsNoTimeout) {
  Add("a");
  EXPECT_FALSE(pending.NextToSend(t0)->has_timeout());
  EXPECT_EQ(pending.NextEvent(), absl::InfiniteFuture());
}

TEST_F(PendingRequestsTest, AnAnswerIsTakenOnce) {
  Add("a");
  const std::string id = SendOne();
  EXPECT_NE(pending.Answered(id, absl::OkStatus(), kNoWord, t0), std::nullopt);
  EXPECT_EQ(pending.Answered(id, absl::OkStatus(), kNoWord, t0), std::nullopt);
  EXPECT_EQ(pending.Answered("nonsense", absl::OkStatus(), kNoWord, t0), std::nullopt);
  EXPECT_EQ(pending.size(), 0);
}

TEST_F(PendingRequestsTest, ARefusedRequestIsSentAgainWhenItsWaitIsOver) {
  Add("a");
  EXPECT_EQ(pending.Answered(SendOne(), kUnavailable, kNoWord, t0), std::nullopt);
  EXPECT_FALSE(pending.AnythingToSend());
  EXPECT_GE(pending.NextEvent(), t0 + 80 * ms);
  EXPECT_LE(pending.NextEvent(), t0 + 120 * ms);
  EXPECT_THAT(pending.Expired(pending.NextEvent()), IsEmpty());
  EXPECT_THAT(Sent(), ElementsAre("a"));
}

TEST_F(PendingRequestsTest, AFullServerSaysWhenOrThatItIsNoUse) {
  Add("a"), Add("b");
  EXPECT_EQ(pending.Answered(SendOne(), kFull, 7 * ms, t0), std::nullopt);
  EXPECT_EQ(pending.NextEvent(), t0 + 7 * ms);
  EXPECT_NE(pending.Answered(SendOne(), kFull, kNoWord, t0), std::nullopt);
}

TEST_F(PendingRequestsTest, ARequestWhoseDeadlineComesBeforeTheNextTryFailsAtOnce) {
  Add("a", 20 * ms);
  EXPECT_NE(pending.Answered(SendOne(), kUnavailable, kNoWord, t0), std::nullopt);
}

TEST_F(PendingRequestsTest, WithoutRetriesARefusalIsTheAnswer) {
  pending = PendingRequests(/*retry=*/false, 1);
  Add("a");
  EXPECT_NE(pending.Answered(SendOne(), kUnavailable, kNoWord, t0), std::nullopt);
}

TEST_F(PendingRequestsTest, WhatIsNotAnsweredInTimeIsDeadlineExceededSentOrNot) {
  Add("a", 20 * ms), Add("b", 10 * ms), Add("c", 30 * ms);
  SendOne();
  EXPECT_EQ(pending.NextEvent(), t0 + 10 * ms);
  const auto expired = pending.Expired(t0 + 20 * ms);
  ASSERT_THAT(expired, SizeIs(2));
  EXPECT_EQ(expired[0].status, absl::DeadlineExceededError("no answer within 10ms"));
  EXPECT_THAT(Sent(), ElementsAre("c"));
}

TEST_F(PendingRequestsTest, TheEndOfAStreamIsTheAnswerToAllSentOrNot) {
  Add("a"), Add("b");
  SendOne();
  const auto failed = pending.StreamEnded(absl::InternalError("broken"), t0);
  ASSERT_THAT(failed, SizeIs(2));
  EXPECT_EQ(failed[1].status, absl::InternalError("broken"));
  EXPECT_FALSE(pending.AnythingToSend());
}

TEST_F(PendingRequestsTest, AfterAStreamThatEndedUnavailableAllAreTriedAgainUntilTheirDeadlines) {
  Add("a", absl::Seconds(100)), Add("b");
  absl::Time now = t0;
  for (; now < t0 + absl::Seconds(99); now += absl::Seconds(3)) {
    EXPECT_THAT(Sent(now), SizeIs(2));
    EXPECT_THAT(pending.StreamEnded(kUnavailable, now), IsEmpty());
    EXPECT_FALSE(pending.AnythingToSend());
    EXPECT_THAT(pending.Expired(now + absl::Seconds(3)), IsEmpty());
  }
  EXPECT_THAT(pending.StreamEnded(kUnavailable, now), SizeIs(1));
}

TEST_F(PendingRequestsTest, AMessageThatIsTooLargeCostsTheOthersFiveTriesAtMost) {
  Add("too large"), Add("b");
  for (int i = 0; i < 4; ++i) {
    EXPECT_THAT(Sent(), SizeIs(2));
    EXPECT_THAT(pending.StreamEnded(kFull, t0), IsEmpty());
    pending.Expired(t0 + absl::Seconds(3));
  }
  EXPECT_THAT(pending.StreamEnded(kFull, t0), SizeIs(2));
}

}  // namespace
}  // namespace patchserve
