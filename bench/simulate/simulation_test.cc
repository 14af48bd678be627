// The simulator against what is known of it.

#include "bench/simulate/simulation.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <numeric>
#include <vector>

#include "bench/simulate/bounds.h"
#include "bench/simulate/deployment.h"
#include "bench/simulate/ours.h"
#include "bench/simulate/policies.h"
#include "bench/simulate/workloads.h"

namespace patchserve::simulate {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

// Takes 10 ms up to 4 images, then 2.5 ms an image.
CostCurve Small() {
  return {[](int size) { return 0.0025 * std::max(4, size); }, 8};
}

Traffic WithBudget(double rate, double seconds) {
  return {.rate = rate, .budgets = {absl::Seconds(seconds)}};
}

Result RunOpen(const Device& device, const MakePolicy& make, const std::vector<Request>& requests) {
  OpenLoop workload(requests);
  return Run(device, *make(device), workload, /*seed=*/1);
}

TEST(SimulationTest, AQueueWithOneServerWaitsAsLongAsTheoryOfMD1Says) {
  // Half loaded: the mean time is that of the service, and half of it (Pollaczek-Khinchine).
  const Device device{.models = {{[](int) { return 0.010; }, 1}}, .noise = 0};
  const auto requests = Poisson(WithBudget(50, 1e6), 4000, /*seed=*/3);
  for (const Candidate& peer : Peers(device, 5)) {
    if (peer.policy != "greedy") continue;
    const Result result = RunOpen(device, peer.make, requests);
    const auto& took = result.latencies[0];
    EXPECT_THAT(std::accumulate(took.begin(), took.end(), 0.0) / took.size(),
                DoubleNear(0.015, 0.0002));
  }
}

// Runs each request alone, as a batch of exactly `run_as`.
class Alone : public Policy {
 public:
  explicit Alone(int run_as = 0) : run_as_(run_as) {}

  bool Push(const Request& request, absl::Time) override {
    waiting_.push_back(request);
    return true;
  }
  Decision Next(absl::Time, int) override {
    if (waiting_.empty()) return {};
    const Request request = waiting_.front();
    waiting_.pop_front();
    return {.model = request.model, .batch = {request}, .run_as = run_as_};
  }
  void Done(int, int, absl::Duration duration) override {
    took.push_back(absl::ToDoubleMilliseconds(duration));
  }

  std::vector<double> took;  // by batch, ms

 private:
  const int run_as_;
  std::deque<Request> waiting_;
};

// `count` requests without a deadline, `gap` apart.
std::vector<Request> Regular(int count, absl::Duration gap) {
  std::vector<Request> requests;
  for (int i = 0; i < count; ++i) {
    const absl::Time sent = absl::UnixEpoch() + i * gap;
    requests.push_back({i, 0, sent, sent, absl::InfiniteFuture()});
  }
  return requests;
}

// Sizes 1 and 4 are warmed: 10 ms and 16; a batch of three would take 14, and 100 more the
// first time.
CostCurve Warmed() {
  return {.seconds = [](int size) { return size == 1 ? 0.010 : 0.016; },
          .max_batch = 4,
          .warmed = {1, 4},
          .exact = [](int size) { return 0.008 + 0.002 * size; },
          .first_use = 0.100};
}

std::vector<double> TookAlone(const Device& device, int run_as, absl::Duration gap) {
  const auto requests = Regular(4, gap);
  OpenLoop workload(requests);
  Alone policy(run_as);
  Run(device, policy, workload, /*seed=*/1);
  return policy.took;
}

TEST(SimulationTest, ASizeThatIsNotWarmedCostsItsFirstUseOnce) {
  const Device device{.models = {Warmed()}, .noise = 0};
  EXPECT_THAT(TookAlone(device, /*run_as=*/3, absl::Seconds(1)), ElementsAre(114, 14, 14, 14));
  EXPECT_THAT(TookAlone(device, /*run_as=*/4, absl::Seconds(1)), Each(16));
}

TEST(SimulationTest, EachRunnerPaysTheFirstUse) {
  const Device device{.models = {Warmed()}, .runners = 2, .noise = 0};
  // Two at a time: the third comes when the first has ended.
  EXPECT_THAT(TookAlone(device, /*run_as=*/3, absl::Milliseconds(57)),
              UnorderedElementsAre(114, 114, 14, 14));
}

TEST(SimulationTest, ABatchIsPaddedUnlessItAsksForItsExactSize) {
  const Device device{.models = {Warmed()}, .noise = 0};
  EXPECT_THAT(TookAlone(device, /*run_as=*/0, absl::Seconds(1)), Each(10));
}

TEST(SimulationTest, ASharedDeviceDoesBatchesOneAfterTheOther) {
  Device device{.models = {Small()}, .runners = 2, .noise = 0};
  EXPECT_THAT(TookAlone(device, 0, absl::ZeroDuration()), ElementsAre(10, 10, 10, 10));
  EXPECT_EQ(device.capacity(0), 2 * 400);
  device.shared = true;
  // The second begins when the first ends, the third comes to the runner of the first.
  EXPECT_THAT(TookAlone(device, 0, absl::ZeroDuration()), ElementsAre(10, 20, 20, 20));
  EXPECT_EQ(device.capacity(0), 400);
}

TEST(DeploymentTest, OneRunnerLeavesTheOthersIdle) {
  const Device device{.models = {Small()}, .runners = 2, .noise = 0, .shared = true};
  int runners = 0;
  const auto deployed = Deployed(
      [&](const Device& told) {
        runners = told.runners;
        return std::make_unique<Alone>();
      },
      {.one_runner = true});
  const Result result = RunOpen(device, deployed, Regular(4, absl::ZeroDuration()));
  EXPECT_EQ(runners, 1);
  EXPECT_THAT(result.latencies[0], ElementsAre(DoubleNear(0.01, 1e-6), DoubleNear(0.02, 1e-6),
                                               DoubleNear(0.03, 1e-6), DoubleNear(0.04, 1e-6)));
}

TEST(DeploymentTest, UnpaddedBatchesTakeTheirExactTimes) {
  const Device device{.models = {Warmed()}, .noise = 0};
  double told_ms = 0;
  const auto deployed = Deployed(
      [&](const Device& told) {
        told_ms = 1e3 * told.models[0].seconds(3);
        return std::make_unique<Alone>(3);
      },
      {.unpadded = true});
  const Result result = RunOpen(device, deployed, Regular(2, absl::Seconds(1)));
  EXPECT_NEAR(told_ms, 14, 1e-9);
  EXPECT_THAT(result.latencies[0], ElementsAre(DoubleNear(0.114, 1e-6), DoubleNear(0.014, 1e-6)));
}

TEST(SimulationTest, EveryRequestRunsOnceOrIsDroppedOnce) {
  const Device device{.models = {Small(), Small()}, .runners = 2};
  Traffic a = WithBudget(1500, 0.030), b = WithBudget(900, 0.030);
  a.decode = 0.005, b.model = 1;
  const auto requests = Merge(Poisson(a, 5, 1), Bursty(b, 4, 0.1, 5, 2));
  std::vector<Candidate> policies = Peers(device, 3);
  policies.push_back({"ours", "", Ours()});
  for (const Candidate& policy : policies) {
    const Result result = RunOpen(device, policy.make, requests);
    EXPECT_EQ(result.sent, static_cast<int64_t>(requests.size()));
    EXPECT_EQ(result.sent, result.run + result.dropped) << policy.policy << policy.options;
    EXPECT_GT(result.in_time(), 0) << policy.policy << policy.options;
  }
}

// At ten times what the device can do each batch has many requests to choose from, and takes first
// those whose predictions are too optimistic.
TEST(SimulationTest, AdmittedRequestsAreInTimeHoweverManyAsk) {
  const CostCurve curve{[](int size) { return 0.004 + 0.008 * size; }, 8};
  const Device device{.models = {curve}};
  for (double budget : {0.036, 0.120}) {
    const auto requests = Poisson(WithBudget(10 / curve.best_each(), budget), 60, 3);
    OpenLoop first(requests);
    Retrying retrying(first);
    const Result result = simulate::Run(device, *Ours()(device), retrying, /*seed=*/1);
    const auto admitted = static_cast<double>(result.sent - result.refused);
    EXPECT_GT(result.in_time() / admitted, 0.99) << budget;
    EXPECT_GT(result.goodput() * curve.best_each(), budget > 0.1 ? 0.95 : 0.85) << budget;
  }
}

TEST(WorkloadsTest, ARefusedRequestComesAgainWhileThatLeavesTime) {
  const std::vector<Request> requests = {
      {.sent = absl::UnixEpoch(), .deadline = absl::UnixEpoch() + absl::Milliseconds(100)}};
  OpenLoop first(requests);
  Retrying retrying(first);
  const Request request = retrying.Take();
  EXPECT_EQ(retrying.NextAt(), absl::InfiniteFuture());
  retrying.Refused(request, request.sent, absl::Milliseconds(50));
  EXPECT_GE(retrying.NextAt(), request.sent + absl::Milliseconds(40));
  EXPECT_LE(retrying.NextAt(), request.sent + absl::Milliseconds(60));
  const Request again = retrying.Take();
  EXPECT_TRUE(again.retried);
  EXPECT_EQ(again.deadline, request.deadline);
  retrying.Refused(again, again.ready, absl::Milliseconds(100));
  EXPECT_EQ(retrying.NextAt(), absl::InfiniteFuture());
}

TEST(BoundsTest, NoPolicyIsBetterThanTheClairvoyantNorItThanTheFluid) {
  const Device device{.models = {Small()}, .noise = 0};
  for (double rate : {100, 300, 600}) {
    const auto requests = Poisson(WithBudget(rate, 0.018), 20, 5);
    const double clairvoyant = ClairvoyantBound(requests, device.models[0]);
    EXPECT_LE(clairvoyant, FluidBound(requests, device));
    std::vector<Candidate> policies = Peers(device, 1.8);
    policies.push_back({"ours", "", Ours()});
    for (const Candidate& policy : policies) {
      EXPECT_LE(RunOpen(device, policy.make, requests).in_time(), clairvoyant)
          << policy.policy << policy.options;
    }
  }
}

TEST(BoundsTest, TheClairvoyantWaitsForRequestsThatAreAboutToCome) {
  // One waits, two come in 4 ms; all have 15 ms: only a run that begins with the last
  // serves all.
  std::vector<Request> requests;
  for (double ms : {0.0, 4.0, 4.0}) {
    const absl::Time sent = absl::UnixEpoch() + absl::Milliseconds(ms);
    requests.push_back({.sent = sent, .ready = sent, .deadline = sent + absl::Milliseconds(15)});
  }
  EXPECT_EQ(ClairvoyantBound(requests, Small()), 3);
}

TEST(WorkloadsTest, BurstsDontChangeTheMeanRate) {
  const auto requests = Bursty(WithBudget(1000, 1), /*peak=*/4, /*burst_seconds=*/0.1, 500, 1);
  EXPECT_THAT(requests.size() / 500.0, DoubleNear(1000, 40));
}

TEST(WorkloadsTest, AClientOfAClosedLoopPausesAfterEachAnswer) {
  const Device device{.models = {Small()}, .noise = 0};
  ClosedLoop one(/*clients=*/1, absl::Seconds(1), /*pause=*/0.040, 400, /*seed=*/1);
  const Result result = simulate::Run(device, *Ours()(device), one, /*seed=*/1);
  EXPECT_EQ(result.in_time(), result.sent);
  EXPECT_THAT(result.goodput(), DoubleNear(1 / 0.050, 0.6));
}

}  // namespace
}  // namespace patchserve::simulate
