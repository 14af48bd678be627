#include "bench/simulate/scenarios.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "bench/simulate/cells.h"
#include "bench/simulate/ours.h"
#include "bench/simulate/policies.h"
#include "bench/simulate/simulation.h"
#include "bench/simulate/workloads.h"

namespace patchserve::simulate {
namespace {

// `single` seconds up to 16 images, then linear.
CostCurve GpuLike(double single) {
  return {[=](int size) { return single * std::max(1.0, size / 16.0); }, 64};
}

}  // namespace

void PrintBurst() {
  constexpr double kSeconds = 20, kBudget = 5;
  const Device device{.models = {GpuLike(0.010), GpuLike(0.010)}};
  const double capacity = 1 / device.models.front().best_each();
  const Traffic steady{
      .model = 0, .rate = 0.3 * capacity, .budgets = {absl::Seconds(kBudget * 0.010)}};
  const Traffic burst{.model = 1, .rate = 3 * capacity, .budgets = steady.budgets};
  const std::vector<Request> alone = Poisson(steady, kSeconds, /*seed=*/1);
  const std::vector<Request> both = Merge(alone, Poisson(burst, kSeconds, /*seed=*/2));

  const auto row = [&](const std::string& name, const MakePolicy& make,
                       const std::vector<Request>& requests) {
    OpenLoop workload(requests);
    const Result result = Run(device, *make(device), workload, /*seed=*/1);
    const std::vector<double>& steady_ms = result.latencies[0];
    std::printf("| %s | %.3f | %.1f | %.1f | %.0f |\n", name.c_str(),
                static_cast<double>(steady_ms.size()) / static_cast<double>(alone.size()),
                1e3 * Result::Percentile(0.5, steady_ms), 1e3 * Result::Percentile(0.99, steady_ms),
                result.goodput());
  };
  std::printf(
      "\nA model's steady load (0.3 of the device; GPU-like, a batch of one takes 10 ms, 50 ms "
      "to answer) beside another's burst (3 times the device):\n\n"
      "| policy | steady: in time | p50 ms | p99 ms | both: in time a second |\n"
      "|---|---|---|---|---|\n");
  row("ours, no burst", Ours(), alone);
  row("ours", Ours(), both);
  for (const Candidate& peer : Peers(device, kBudget)) {
    if (peer.policy == "triton-defaults" || peer.policy == "greedy" || peer.policy == "deferred") {
      row(peer.policy + " " + peer.options, peer.make, both);
    }
  }
}

void PrintStream() {
  constexpr double kSeconds = 200, kBudget = 5;
  constexpr int kWindow = 32;  // requests of the stream that are under way
  std::printf(
      "\nPoisson requests for 0.2 of a runner, with 5 batches of one to answer, beside a stream "
      "with %d requests under way and no deadline, of the same model or of one like it:\n\n"
      "| curve | stream | policy | in time | the stream's answers a second | images a batch |\n"
      "|---|---|---|---|---|---|\n",
      kWindow);
  for (const Curve& curve : Curves()) {
    if (curve.name == "gpu-2-runners" || curve.device.shared) continue;
    for (int model : {0, 1}) {
      const Device device{.models = {curve.device.models.front(), curve.device.models.front()}};
      const double single = device.models.front().seconds(1);
      std::vector<Request> requests =
          Poisson({.rate = 0.2 / single, .budgets = {absl::Seconds(kBudget * single)}}, kSeconds,
                  /*seed=*/1);
      for (Request& request : requests) request.id += kWindow;
      const auto row = [&](const std::string& name, const MakePolicy& make) {
        OpenLoop urgent(requests);
        ClosedLoop stream(kWindow, absl::Hours(1), /*pause=*/1e-6, kSeconds, /*seed=*/1, model);
        Beside both(urgent, stream);
        const Result result = Run(device, *make(device), both, /*seed=*/1);
        std::printf("| %s | %s | %s | %.3f | %.0f | %.1f |\n", curve.name.c_str(),
                    model == 0 ? "same model" : "another", name.c_str(),
                    static_cast<double>(result.in_time() - stream.answered()) /
                        static_cast<double>(requests.size()),
                    static_cast<double>(stream.answered()) / result.seconds, result.mean_batch());
      };
      row("ours", Ours());
      for (const Candidate& peer : Peers(device, kBudget)) {
        if (peer.policy == "triton-defaults" || peer.options == "stagger 1") {
          row(peer.policy + " " + peer.options, peer.make);
        }
      }
    }
  }
}

void PrintCluster() {
  constexpr int kDevices = 100;
  constexpr double kRate = 1e6, kSeconds = 10, kSingle = 0.00128;
  const Device device{.models = {GpuLike(kSingle)}};
  const Traffic traffic{.rate = kRate / kDevices, .budgets = {absl::Seconds(5 * kSingle)}};
  const std::clock_t start = std::clock();
  std::vector<double> goodput;
  int64_t sent = 0, in_time = 0, batches = 0;
  for (int i = 0; i < kDevices; ++i) {
    const std::vector<Request> requests = Poisson(traffic, kSeconds, /*seed=*/i);
    OpenLoop workload(requests);
    const Result result = Run(device, *Ours()(device), workload, /*seed=*/i);
    goodput.push_back(result.goodput());
    sent += result.sent, in_time += result.in_time(), batches += result.batches;
  }
  const double took = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  std::sort(goodput.begin(), goodput.end());
  std::printf(
      "\n%d devices (GPU-like, a batch of one takes 1.28 ms, 6.4 ms to answer), %.0f requests a "
      "second, %.0f s: %lld requests, %.4f of them in time, %lld batches.\n"
      "In time a second, a device: least %.0f, median %.0f, most %.0f. Simulated in %.1f s of CPU "
      "time, %.2f us a request.\n",
      kDevices, kRate, kSeconds, static_cast<long long>(sent),
      static_cast<double>(in_time) / static_cast<double>(sent), static_cast<long long>(batches),
      goodput.front(), goodput[goodput.size() / 2], goodput.back(), took,
      1e6 * took / static_cast<double>(sent));
}

void PrintRetries() {
  const CostCurve curve{[](int size) { return 0.004 + 0.0078 * size; }, 8};
  const Device device{.models = {curve}, .runners = 1};
  const double seconds = 60;
  std::printf(
      "\n| clients that retry: budget | load | goodput, of capacity | of those admitted in time | "
      "tries a request | mean batch |\n|---|---|---|---|---|---|\n");
  for (double budget : {2.0, 3.0, 5.0, 10.0}) {
    for (double load : {0.7, 1.0, 2.0, 10.0}) {
      const auto requests = Poisson(
          {.rate = load / curve.best_each(), .budgets = {absl::Seconds(budget * curve.seconds(1))}},
          seconds, /*seed=*/3);
      OpenLoop first(requests);
      Retrying retrying(first);
      const Result result = Run(device, *Ours()(device), retrying, /*seed=*/1);
      const auto in_time = static_cast<double>(result.in_time());
      std::printf("| %.1f | %.1f | %.3f | %.4f | %.2f | %.1f |\n", budget, load,
                  in_time / seconds * curve.best_each(),
                  in_time / static_cast<double>(result.sent - result.refused),
                  static_cast<double>(result.sent) / static_cast<double>(requests.size()),
                  result.mean_batch());
    }
  }
}

void PrintUnlike() {
  const CostCurve quick{[](int size) { return 0.0015 + 0.0005 * size; }, 16};
  const CostCurve slow{[](int size) { return 0.030 + 0.010 * size; }, 8};
  const double seconds = 60;
  std::printf(
      "\n| a quick model and a slow one: load | goodput a second, quick | slow | "
      "of those admitted in time | mean batch |\n|---|---|---|---|---|\n");
  for (double load : {0.7, 1.0, 1.5, 4.0}) {
    const Device device{.models = {quick, slow}, .runners = 1};
    const auto half = [&](int model, double budget, uint64_t seed) {
      return Poisson({.model = model,
                      .rate = load / 2 / device.models[model].best_each(),
                      .budgets = {absl::Seconds(budget)}},
                     seconds, seed);
    };
    const auto requests = Merge(half(0, 0.060, 5), half(1, 0.400, 6));
    OpenLoop open(requests);
    const Result result = Run(device, *Ours()(device), open, /*seed=*/1);
    std::printf(
        "| %.1f | %.0f | %.1f | %.4f | %.1f |\n", load,
        static_cast<double>(result.latencies[0].size()) / seconds,
        static_cast<double>(result.latencies[1].size()) / seconds,
        static_cast<double>(result.in_time()) / static_cast<double>(result.sent - result.refused),
        result.mean_batch());
  }
}

}  // namespace patchserve::simulate
