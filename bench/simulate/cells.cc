#include "bench/simulate/cells.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

#include "bench/simulate/bounds.h"
#include "bench/simulate/policies.h"
#include "bench/simulate/workloads.h"

namespace patchserve::simulate {
namespace {

// Options that serve less than this share of what the best ones of the policy do with the
// first seed aren't run with the others.
constexpr double kHopeful = 0.95;

// Of the traffic and of the noise.
uint64_t TrafficSeed(int seed) { return 7 + 100 * seed; }
uint64_t NoiseSeed(int seed) { return 1 + seed; }

// The model of the curve, and with "two-models" one that is half as fast beside it.
Device DeviceOf(const Cell& cell) {
  Device device = cell.curve->device;
  if (cell.traffic == "two-models") {
    const CostCurve first = device.models.front();
    CostCurve& second = device.models.emplace_back(first);
    second.seconds = [=](int size) { return 2 * first.seconds(size); };
    if (first.exact) second.exact = [=](int size) { return 2 * first.exact(size); };
  }
  return device;
}

}  // namespace

const std::vector<std::string>& Traffics() {
  static const auto* const traffics =
      new std::vector<std::string>{"poisson", "bursty", "closed", "two-models", "mixed", "decode"};
  return *traffics;
}

std::vector<Cell> Cells(const std::string& prefix) {
  std::vector<Cell> cells;
  for (const Curve& curve : Curves()) {
    for (const std::string& traffic : Traffics()) {
      if ((curve.name + "/" + traffic).rfind(prefix, 0) != 0) continue;
      for (double budget : {1.5, 2.0, 3.0, 5.0, 10.0}) {
        for (double load : {0.3, 0.7, 0.95, 1.3, 2.0, 3.0}) {
          cells.push_back({&curve, traffic, budget, load});
        }
      }
    }
  }
  return cells;
}

CellRuns::CellRuns(const Cell& cell, int seeds)
    : cell_(cell), seeds_(seeds), device_(DeviceOf(cell)) {
  const double single = device_.models.front().seconds(1);
  const double rate = cell.load * device_.capacity(0);
  seconds_ = std::max(6000 / rate, 300 * single);
  closed_.pause = cell.budget * single;
  closed_.clients = static_cast<int>(std::ceil(rate * (closed_.pause + single)));
  if (cell.traffic == "closed") return;
  for (int seed = 0; seed < seeds_; ++seed) requests_.push_back(OpenRequests(seed));
}

// Each model gets its share of the load.
std::vector<Request> CellRuns::OpenRequests(int seed) const {
  const double share = cell_.load / static_cast<double>(device_.models.size());
  std::vector<Request> all;
  for (int model = 0; model < static_cast<int>(device_.models.size()); ++model) {
    const double single = device_.models[model].seconds(1);
    const absl::Duration budget = absl::Seconds(cell_.budget * single);
    Traffic traffic{.model = model, .rate = share * device_.capacity(model), .budgets = {budget}};
    if (cell_.traffic == "mixed") traffic.budgets = {budget, 2 * budget, 4 * budget};
    if (cell_.traffic == "decode") traffic.decode = 0.3 * single;
    all = Merge(all, cell_.traffic == "bursty"
                         ? Bursty(traffic, /*peak=*/4, 20 * single, seconds_, TrafficSeed(seed))
                         : Poisson(traffic, seconds_, TrafficSeed(seed) + model));
  }
  return all;
}

Figures CellRuns::RunSeed(int seed, const MakePolicy& make) const {
  std::unique_ptr<Workload> workload;
  if (cell_.traffic == "closed") {
    workload = std::make_unique<ClosedLoop>(closed_.clients, absl::Seconds(closed_.pause),
                                            closed_.pause, seconds_, TrafficSeed(seed));
  } else {
    workload = std::make_unique<OpenLoop>(requests_[seed]);
  }
  return Figures(simulate::Run(device_, *make(device_), *workload, NoiseSeed(seed)));
}

Row CellRuns::Run(const std::string& policy, const std::string& options,
                  const MakePolicy& make) const {
  Row row{policy, options, {}};
  for (int seed = 0; seed < seeds_; ++seed) row.seeds.push_back(RunSeed(seed, make));
  return row;
}

std::vector<Row> CellRuns::RunPeers() const {
  const std::vector<Candidate> peers = Peers(device_, cell_.budget);
  std::vector<Figures> first;  // of each candidate, with the first seed
  std::map<std::string, int64_t> most;
  std::vector<Row> rows;
  for (const Candidate& peer : peers) {
    first.push_back(RunSeed(0, peer.make));
    if (most.count(peer.policy) == 0) rows.push_back({peer.policy, "", {}});
    most[peer.policy] = std::max(most[peer.policy], first.back().in_time());
  }
  for (size_t i = 0; i < peers.size(); ++i) {
    const auto in_time = static_cast<double>(first[i].in_time());
    if (in_time < kHopeful * static_cast<double>(most[peers[i].policy])) continue;
    Row row{peers[i].policy, peers[i].options, {first[i]}};
    for (int seed = 1; seed < seeds_; ++seed) row.seeds.push_back(RunSeed(seed, peers[i].make));
    Row& best = *std::find_if(rows.begin(), rows.end(),
                              [&](const Row& other) { return other.policy == row.policy; });
    if (best.seeds.empty() || row.in_time() > best.in_time()) best = std::move(row);
  }
  return rows;
}

std::vector<double> CellRuns::Bounds() const {
  const CostCurve& first = device_.models.front();
  if (cell_.traffic == "closed") {
    // The last requests can be answered a budget after the end, which is as long as the pause.
    const double sent = seconds_ * closed_.clients / (closed_.pause + first.seconds(1));
    const double done = (seconds_ + closed_.pause) * device_.capacity(0);
    return std::vector<double>(seeds_, std::min(sent, done));
  }
  // With more time than three batches of one the fluid bound is as good.
  const bool simple = cell_.traffic == "poisson" || cell_.traffic == "bursty";
  const bool clairvoyant = simple && device_.lanes() == 1 && cell_.budget <= 3;
  std::vector<double> bounds;
  for (const auto& requests : requests_) {
    const double fluid = FluidBound(requests, device_);
    bounds.push_back(clairvoyant ? std::min(fluid, ClairvoyantBound(requests, first)) : fluid);
  }
  return bounds;
}

}  // namespace patchserve::simulate
