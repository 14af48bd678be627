// What each part of our policy is worth: variants of it in the cells of `simulate`, against
// the first of them.
//
//   build/bin/ablation [--only=CURVE/TRAFFIC] [--seeds=N] [--jobs=N]

#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "bench/simulate/cells.h"
#include "bench/simulate/ours.h"
#include "bench/simulate/parallel.h"
#include "bench/simulate/summary.h"

ABSL_FLAG(std::string, only, "", "only cells whose curve/traffic begins with this");
ABSL_FLAG(int, seeds, patchserve::simulate::kSeeds, "how many traffics a cell");
ABSL_FLAG(int, jobs, static_cast<int>(std::thread::hardware_concurrency()), "threads");

namespace patchserve::simulate {
namespace {

struct Variant {
  std::string name;
  MakePolicy make;
};

// Ours, told that all batches take `factor` times as long as they do.
MakePolicy ToldWrong(double factor) {
  return [=](const Device& device) {
    Device told = device;
    for (CostCurve& curve : told.models) {
      curve.seconds = [factor, seconds = curve.seconds](int size) {
        return factor * seconds(size);
      };
    }
    return Ours()(told);
  };
}

// A new variant is one more line.
std::vector<Variant> Variants() {
  return {{"ours", Ours()},
          {"costs told a tenth", ToldWrong(0.1)},
          {"costs told tenfold", ToldWrong(10)}};
}

void RunVariants() {
  const std::vector<Variant> variants = Variants();
  const std::vector<Cell> cells = Cells(absl::GetFlag(FLAGS_only));
  std::vector<std::vector<Row>> rows(cells.size());  // by cell and variant
  ForEach(absl::GetFlag(FLAGS_jobs), cells.size(), [&](size_t i) {
    const CellRuns runs(cells[i], absl::GetFlag(FLAGS_seeds));
    for (const Variant& variant : variants) {
      rows[i].push_back(runs.Run(variant.name, "", variant.make));
    }
  });
  Summaries summaries;
  for (size_t v = 0; v < variants.size(); ++v) {
    std::vector<Outcome> outcomes;
    for (const auto& of_cell : rows) outcomes.push_back({of_cell[v], {of_cell[0]}, {}});
    for (const auto& [group, summary] : ByGroup(cells, outcomes)) {
      summaries.push_back({variants[v].name + ": " + group, summary});
    }
  }
  PrintTable("variant: cells with curves of", variants[0].name, summaries);
}

}  // namespace
}  // namespace patchserve::simulate

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  patchserve::simulate::RunVariants();
}
