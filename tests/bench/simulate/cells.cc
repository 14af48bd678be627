#include "tests/bench/simulate/cells.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "tests/bench/simulate/bounds.h"
#include "tests/bench/simulate/ours.h"
#include "tests/bench/simulate/policies.h"
#include "tests/bench/simulate/workloads.h"

namespace patchserve::simulate {
namespace {

constexpr uint64_t kTrafficSeed = 7, kNoiseSeed = 1;

// Clients of the closed loop pause for as long as a request may take.
struct Closed {
  int clients;
  double pause;
};

Closed ClosedOf(const Cell& cell, double single, double rate) {
  const double pause = cell.budget * single;
  return {static_cast<int>(std::ceil(rate * (pause + single))), pause};
}

// The model of the curve, and with "two-models" one that is half as fast beside it.
Device DeviceOf(const Cell& cell) {
  Device device = cell.curve->device;
  if (cell.traffic == "two-models") {
    const CostCurve first = device.models.front();
    device.models.push_back({[=](int size) { return 2 * first.seconds(size); }, first.max_batch});
  }
  return device;
}

// Each model gets its share of the load.
std::vector<Request> OpenRequests(const Cell& cell, const Device& device, double seconds) {
  const double share = cell.load / static_cast<double>(device.models.size());
  std::vector<Request> all;
  for (int model = 0; model < static_cast<int>(device.models.size()); ++model) {
    const CostCurve& curve = device.models[model];
    const double single = curve.seconds(1);
    const absl::Duration budget = absl::Seconds(cell.budget * single);
    Traffic traffic{
        .model = model, .rate = share * device.runners / curve.best_each(), .budgets = {budget}};
    if (cell.traffic == "mixed") traffic.budgets = {budget, 2 * budget, 4 * budget};
    if (cell.traffic == "decode") traffic.decode = 0.3 * single;
    all = Merge(all, cell.traffic == "bursty"
                         ? Bursty(traffic, /*peak=*/4, 20 * single, seconds, kTrafficSeed)
                         : Poisson(traffic, seconds, kTrafficSeed + model));
  }
  return all;
}

double Bound(const Cell& cell, const Device& device, const std::vector<Request>& requests) {
  const double fluid = FluidBound(requests, device);
  const bool simple = cell.traffic == "poisson" || cell.traffic == "bursty";
  // With more time than that the fluid bound is as good.
  if (!simple || device.runners > 1 || cell.budget > 3) return fluid;
  return std::min(fluid, ClairvoyantBound(requests, device.models.front()));
}

}  // namespace

const std::vector<Curve>& Curves() {
  static const auto* const curves = [] {
    const auto vit = [](int size) { return 0.0033 + 0.0348 * size; };
    const auto convmixer = [](int size) { return 0.0004 + 0.0011 * size; };
    const auto gpu = [](int size) { return 0.010 * std::max(1.0, size / 16.0); };
    const auto fixed = [](int size) { return 0.008 + 0.002 * size; };
    return new std::vector<Curve>{{"cpu-vit", {.models = {{vit, 8}}, .runners = 2}},
                                  {"cpu-convmixer", {.models = {{convmixer, 8}}, .runners = 2}},
                                  {"fixed-cost", {.models = {{fixed, 32}}, .runners = 1}},
                                  {"gpu", {.models = {{gpu, 64}}, .runners = 1}},
                                  {"gpu-2-runners", {.models = {{gpu, 64}}, .runners = 2}}};
  }();
  return *curves;
}

const std::vector<std::string>& Traffics() {
  static const auto* const traffics =
      new std::vector<std::string>{"poisson", "bursty", "closed", "two-models", "mixed", "decode"};
  return *traffics;
}

std::vector<Cell> Cells() {
  std::vector<Cell> cells;
  for (const Curve& curve : Curves()) {
    for (const std::string& traffic : Traffics()) {
      for (double budget : {1.5, 2.0, 3.0, 5.0, 10.0}) {
        for (double load : {0.3, 0.7, 0.95, 1.3, 2.0, 3.0}) {
          cells.push_back({&curve, traffic, budget, load});
        }
      }
    }
  }
  return cells;
}

const Row& Outcome::Peer(const std::string& policy) const {
  return *std::find_if(peers.begin(), peers.end(),
                       [&](const Row& row) { return row.policy == policy; });
}

const Row& Outcome::best() const {
  return *std::max_element(peers.begin(), peers.end(), [](const Row& a, const Row& b) {
    return a.result.in_time() < b.result.in_time();
  });
}

Outcome Simulate(const Cell& cell, bool admission) {
  const Device device = DeviceOf(cell);
  const double single = device.models.front().seconds(1);
  const double rate = cell.load * device.runners / device.models.front().best_each();
  const double seconds = std::max(6000 / rate, 300 * single);
  const Closed closed = ClosedOf(cell, single, rate);

  Outcome outcome;
  std::vector<Request> requests;
  if (cell.traffic == "closed") {
    outcome.bound = seconds * std::min(closed.clients / (closed.pause + single),
                                       device.runners / device.models.front().best_each());
  } else {
    requests = OpenRequests(cell, device, seconds);
    outcome.bound = Bound(cell, device, requests);
  }
  const auto run = [&](const MakePolicy& make) {
    std::unique_ptr<Workload> workload;
    if (cell.traffic == "closed") {
      workload = std::make_unique<ClosedLoop>(closed.clients, absl::Seconds(closed.pause),
                                              closed.pause, seconds, kTrafficSeed);
    } else {
      workload = std::make_unique<OpenLoop>(requests);
    }
    return Run(device, *make(device), *workload, kNoiseSeed);
  };
  outcome.ours = {"ours", "", run(Ours(admission))};
  for (const Candidate& peer : Peers(device, cell.budget)) {
    Row row{peer.policy, peer.options, run(peer.make)};
    const auto best = std::find_if(outcome.peers.begin(), outcome.peers.end(),
                                   [&](const Row& other) { return other.policy == row.policy; });
    if (best == outcome.peers.end()) {
      outcome.peers.push_back(std::move(row));
    } else if (row.result.in_time() > best->result.in_time()) {
      *best = std::move(row);
    }
  }
  return outcome;
}

}  // namespace patchserve::simulate
