// What PARD's policy drops, and what it takes first.

#include "bench/simulate/pard_policy.h"

#include <gmock/gmock.h>

#include <memory>
#include <vector>

namespace patchserve::simulate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kStart = absl::UnixEpoch();

absl::Time At(double ms) { return kStart + absl::Milliseconds(ms); }

// 8 ms and 2 ms an image; no noise.
Device OneRunner() {
  return {.models = {{[](int size) { return 0.008 + 0.002 * size; }, 8}}, .noise = 0};
}

Request Due(int id, double ms) { return {id, 0, kStart, kStart, At(ms)}; }

std::vector<int> Ids(const std::vector<Request>& requests) {
  std::vector<int> ids;
  for (const Request& request : requests) ids.push_back(request.id);
  return ids;
}

// The planned batch is 4: 16 ms of a budget of 16.
std::unique_ptr<Policy> Planned4(const Device& device, bool on_arrival) {
  return Pard({.budget = 1.6, .stagger = 0, .on_arrival = on_arrival})(device);
}

// Work for far more than the window holds, all of it too late to run.
void Overload(Policy& policy) {
  for (int i = 0; i < 200; ++i) policy.Push(Due(1000 + i, 0), kStart);
}

TEST(PardPolicyTest, TheLowestBudgetsGoFirstWhileTheLoadIsLow) {
  const Device device = OneRunner();
  const auto policy = Planned4(device, /*on_arrival=*/false);
  for (int id : {3, 1, 5, 2, 4}) policy->Push(Due(id, 100 + id), kStart);
  EXPECT_THAT(Ids(policy->Next(kStart, 1).batch), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Ids(policy->Next(kStart, 1).batch), ElementsAre(5));
}

TEST(PardPolicyTest, ARequestThatWouldBeLateInThePlannedBatchIsDropped) {
  const Device device = OneRunner();
  const auto policy = Planned4(device, /*on_arrival=*/false);
  // Alone it would take 10 ms, with the others 16.
  for (int id : {1, 2, 3, 4, 5}) policy->Push(Due(id, id == 1 ? 15 : 100 + id), kStart);
  const Policy::Decision decision = policy->Next(kStart, 1);
  EXPECT_EQ(decision.dropped, 1);
  EXPECT_THAT(Ids(decision.batch), ElementsAre(2, 3, 4, 5));
}

TEST(PardPolicyTest, TheHighestBudgetsGoFirstUnderOverload) {
  const Device device = OneRunner();
  const auto policy = Planned4(device, /*on_arrival=*/false);
  Overload(*policy);
  for (int id : {3, 1, 5, 2, 4}) policy->Push(Due(id, 100 + id), kStart);
  const Policy::Decision decision = policy->Next(kStart, 1);
  EXPECT_EQ(decision.dropped, 200);
  EXPECT_THAT(Ids(decision.batch), ElementsAre(2, 3, 4, 5));
}

TEST(PardPolicyTest, TheLowestGoFirstAgainWhenTheOverloadHasPassed) {
  const Device device = OneRunner();
  const auto policy = Planned4(device, /*on_arrival=*/false);
  Overload(*policy);
  for (int id : {3, 1, 5, 2, 4}) policy->Push(Due(id, 10000 + id), At(5000));
  EXPECT_THAT(Ids(policy->Next(At(5000), 1).batch), ElementsAre(1, 2, 3, 4));
}

TEST(PardPolicyTest, UnderOverloadABatchHoldsOnlyRequestsThatAreInTimeInIt) {
  const Device device = OneRunner();
  const auto policy = Planned4(device, /*on_arrival=*/false);
  Overload(*policy);
  // In a batch of two the first would be late, in one of its own it isn't.
  policy->Push(Due(1, 11), kStart);
  policy->Push(Due(2, 100), kStart);
  EXPECT_THAT(Ids(policy->Next(kStart, 1).batch), ElementsAre(2));
  EXPECT_THAT(Ids(policy->Next(kStart, 1).batch), ElementsAre(1));
}

TEST(PardPolicyTest, ANewcomerIsDroppedIfTheQueueBeforeItTakesTooLong) {
  const Device device = OneRunner();
  const auto policy = Planned4(device, /*on_arrival=*/true);
  for (int id = 0; id < 8; ++id) EXPECT_TRUE(policy->Push(Due(id, 45), kStart));
  // Two batches of four before it, 16 ms each, and its own.
  EXPECT_FALSE(policy->Push(Due(8, 47), kStart));
  EXPECT_TRUE(policy->Push(Due(9, 49), kStart));
  // Nothing goes before this one.
  EXPECT_TRUE(policy->Push(Due(10, 20), kStart));
}

TEST(PardPolicyTest, ARunningBatchDelaysTheNewcomer) {
  const Device device = OneRunner();
  const auto policy = Planned4(device, /*on_arrival=*/true);
  EXPECT_TRUE(policy->Push(Due(1, 100), kStart));
  EXPECT_THAT(Ids(policy->Next(kStart, 1).batch), ElementsAre(1));
  EXPECT_FALSE(policy->Push(Due(2, 19), kStart));  // 10 ms of the batch, 10 of its own
  EXPECT_TRUE(policy->Push(Due(3, 21), kStart));
  policy->Done(0, 1, absl::Milliseconds(10));
  EXPECT_THAT(Ids(policy->Next(At(10), 1).batch), ElementsAre(3));
  EXPECT_THAT(policy->Next(At(10), 1).batch, IsEmpty());
}

}  // namespace
}  // namespace patchserve::simulate
