// make simulate: the server's batching rule against the peers' policies, in virtual
// time, as a table.
//
//   build/bin/simulate [CURVE]
//
// Each row is a cell: a cost curve, a kind of traffic, the time that requests bring (as
// a multiple of the time of a batch of one) and the load (as a multiple of what the
// device can do with its best batches). Each peer stands at the best of a grid of its
// options for that very cell; ours has none. The bound is what no policy can pass: all
// that is sent, or all that the device can do.

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "tests/bench/simulate/policies.h"
#include "tests/bench/simulate/workloads.h"

namespace patchserve::simulate {
namespace {

struct Curve {
  std::string name;
  Device device;
};

// vit_tiny_patch16_224 and the bundled ConvMixer in float32 on two cores of an AMD EPYC
// (Zen 3), a runner each, 2026-11-24; and a GPU-like one, flat to 16 images and then
// linear, with one runner and with two.
std::vector<Curve> Curves() {
  const auto vit = [](int size) { return 0.0033 + 0.0348 * size; };
  const auto convmixer = [](int size) { return 0.0004 + 0.0011 * size; };
  const auto gpu = [](int size) { return 0.010 * std::max(1.0, size / 16.0); };
  return {{"cpu-vit", {.models = {{vit, 8}}, .runners = 2}},
          {"cpu-convmixer", {.models = {{convmixer, 8}}, .runners = 2}},
          {"gpu", {.models = {{gpu, 64}}, .runners = 1}},
          {"gpu-2-runners", {.models = {{gpu, 64}}, .runners = 2}}};
}

// Requests a second with the best batch size.
double Capacity(const Device& device) {
  const CostCurve& curve = device.models.front();
  double best = 0;
  for (int size = 1; size <= curve.max_batch; ++size) {
    best = std::max(best, size / curve.seconds(size));
  }
  return best * device.runners;
}

struct Cell {
  const Curve& curve;
  bool bursty;
  double budget;  // in batches of one
  double load;    // of the capacity
};

struct Outcome {
  Result ours;
  double bound = 0;  // goodput
  double best = 0;   // of the peers
  std::string best_peer;
  double triton_default = 0;  // goodput
};

Outcome Compare(const Cell& cell) {
  const Device& device = cell.curve.device;
  const double single = device.models.front().seconds(1);
  const Traffic traffic{.rate = cell.load * Capacity(device),
                        .budgets = {absl::Seconds(cell.budget * single)}};
  const double seconds = std::max(6000 / traffic.rate, 300 * single);
  const auto workload = [&] {
    return cell.bursty ? Bursty(traffic, /*peak=*/4, 20 * single, seconds, /*seed=*/7)
                       : Poisson(traffic, seconds, /*seed=*/7);
  };
  const auto run = [&](const MakePolicy& make) {
    return Run(device, *make(device), workload(), /*seed=*/1);
  };
  Outcome outcome{.ours = run(Ours()), .bound = std::min(traffic.rate, Capacity(device))};
  for (const Candidate& peer :
       Peers(absl::Seconds(single), traffic.budgets.front(), device.models.front().max_batch)) {
    const double goodput = run(peer.make).goodput();
    if (goodput > outcome.best) outcome.best = goodput, outcome.best_peer = peer.policy;
    if (peer.policy == "triton" && peer.defaults) outcome.triton_default = goodput;
  }
  return outcome;
}

void PrintRow(const Cell& cell, const Outcome& outcome) {
  std::printf("| %s | %s | %.1f | %.2f | %.3f | %s %.3f | %.3f | %.2f | %.1f | %.1f | %.1f |\n",
              cell.curve.name.c_str(), cell.bursty ? "bursty" : "poisson", cell.budget, cell.load,
              outcome.ours.goodput() / outcome.bound, outcome.best_peer.c_str(),
              outcome.best / outcome.bound, outcome.ours.goodput() / outcome.best,
              outcome.ours.goodput() / std::max(outcome.triton_default, 1e-3 * outcome.bound),
              outcome.ours.mean_batch(), 1e3 * outcome.ours.Percentile(0.5),
              1e3 * outcome.ours.Percentile(0.99));
}

void PrintTable(const std::string& only) {
  std::printf(
      "| curve | traffic | budget | load | ours, of the bound | best peer | ours / best | "
      "ours / Triton's defaults | batch | p50 ms | p99 ms |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|\n");
  int cells = 0, behind = 0;
  double worst = 1e9;
  for (const Curve& curve : Curves()) {
    if (!only.empty() && curve.name != only) continue;
    for (bool bursty : {false, true}) {
      for (double budget : {1.5, 2.0, 3.0, 5.0, 10.0}) {
        for (double load : {0.3, 0.7, 0.95, 1.3, 2.0, 3.0}) {
          const Cell cell{curve, bursty, budget, load};
          const Outcome outcome = Compare(cell);
          PrintRow(cell, outcome);
          const double ratio = outcome.ours.goodput() / outcome.best;
          ++cells;
          behind += ratio < 0.98;
          worst = std::min(worst, ratio);
        }
      }
    }
  }
  std::printf("\n%d of %d cells are more than 2 %% behind the best peer; the worst is at %.3f.\n",
              behind, cells, worst);
}

}  // namespace
}  // namespace patchserve::simulate

int main(int argc, char** argv) { patchserve::simulate::PrintTable(argc > 1 ? argv[1] : ""); }
