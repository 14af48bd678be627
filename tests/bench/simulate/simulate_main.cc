// make simulate: the server's batching rule against the peers' policies, in virtual time.
//
//   build/bin/simulate [--csv=FILE] [--only=CURVE/TRAFFIC] [--noadmission]
//
// A cell is a cost curve, a kind of traffic, the time that requests bring and the load.
// Each peer stands at the best of a grid of its options for that very cell; ours has none.
// The bound is what no policy can pass (bounds.h).

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tests/bench/simulate/cells.h"
#include "tests/bench/simulate/scenarios.h"

ABSL_FLAG(std::string, csv, "", "where to write every policy's row of every cell");
ABSL_FLAG(bool, admission, true, "false: our rule alone, where all wait who come");
ABSL_FLAG(std::string, only, "", "only cells whose curve/traffic begins with this");

namespace patchserve::simulate {
namespace {

constexpr double kClose = 0.98;

std::string Name(const Cell& cell) { return absl::StrCat(cell.curve->name, "/", cell.traffic); }

void WriteCsv(std::ostream& csv, const Cell& cell, const Outcome& outcome) {
  std::vector<const Row*> rows = {&outcome.ours};
  for (const Row& row : outcome.peers) rows.push_back(&row);
  for (const Row* row : rows) {
    const Result& result = row->result;
    csv << absl::StrFormat(
        "%s,%s,%g,%g,%s,%s,%d,%.6g,%.4f,%.3f,%.3f,%.2f,%s\n", cell.curve->name, cell.traffic,
        cell.budget, cell.load, row->policy, row->options, result.sent, result.goodput(),
        result.in_time() / outcome.bound, 1e3 * result.Percentile(0.5),
        1e3 * result.Percentile(0.99), result.mean_batch(),
        absl::StrJoin(result.latencies, "/",
                      [](std::string* out, const auto& l) { absl::StrAppend(out, l.size()); }));
  }
}

// What many cells have in common.
struct Summary {
  int cells = 0, close = 0;
  double worst = 1e9;                // ours / best peer
  double product = 1;                // of these
  double of_bound = 0;               // sum
  double admitted = 0, in_time = 0;  // ours, of all cells
  double kept = 1;                   // in_time / admitted of the worst
  double triton = 1e9;               // ours / Triton's defaults, the least under overload

  void Add(const Cell& cell, const Outcome& outcome) {
    const double ours = static_cast<double>(outcome.ours.result.in_time());
    const double ratio = ours / static_cast<double>(outcome.best().result.in_time());
    ++cells;
    close += ratio >= kClose;
    worst = std::min(worst, ratio);
    product *= ratio;
    of_bound += ours / outcome.bound;
    const auto taken = static_cast<double>(outcome.ours.result.sent - outcome.ours.result.refused);
    admitted += taken;
    in_time += ours;
    kept = std::min(kept, ours / taken);
    if (cell.load > 1) {
      const auto defaults = outcome.Peer("triton-defaults").result.in_time();
      triton = std::min(triton, ours / static_cast<double>(std::max<int64_t>(1, defaults)));
    }
  }
};

void PrintCells() {
  std::ofstream csv(absl::GetFlag(FLAGS_csv));
  csv << "curve,traffic,budget,load,policy,options,sent,goodput,of_bound,p50_ms,p99_ms,batch,in_"
         "time\n";
  std::vector<std::pair<std::string, Summary>> summaries;
  std::string behind;
  for (const Cell& cell : Cells()) {
    if (Name(cell).rfind(absl::GetFlag(FLAGS_only), 0) != 0) continue;
    const Outcome outcome = Simulate(cell, absl::GetFlag(FLAGS_admission));
    WriteCsv(csv, cell, outcome);
    if (summaries.empty() || summaries.back().first != Name(cell)) {
      summaries.push_back({Name(cell), {}});
    }
    summaries.back().second.Add(cell, outcome);
    const double ours = outcome.ours.result.in_time() / outcome.bound;
    const double best = outcome.best().result.in_time() / outcome.bound;
    if (ours < kClose * best) {
      absl::StrAppendFormat(&behind, "| %s | %.1f | %.2f | %.3f | %s (%s) %.3f | %.3f |\n",
                            Name(cell), cell.budget, cell.load, ours, outcome.best().policy,
                            outcome.best().options, best, ours / best);
    }
  }
  std::printf(
      "| curve/traffic | cells | within 2 %% of the best peer, or better | worst | mean | "
      "ours, of the bound | overload: ours / Triton's defaults, least | of those admitted in time "
      "| in the worst cell |\n"
      "|---|---|---|---|---|---|---|---|---|\n");
  for (const auto& [name, s] : summaries) {
    std::printf("| %s | %d | %d | %.3f | %.3f | %.3f | %.2f | %.4f | %.3f |\n", name.c_str(),
                s.cells, s.close, s.worst, std::pow(s.product, 1.0 / s.cells), s.of_bound / s.cells,
                s.triton, s.in_time / s.admitted, s.kept);
  }
  std::printf(
      "\n| behind in | budget | load | ours | best peer | ours / best |\n"
      "|---|---|---|---|---|---|\n%s",
      behind.c_str());
}

}  // namespace
}  // namespace patchserve::simulate

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  patchserve::simulate::PrintCells();
  if (!absl::GetFlag(FLAGS_only).empty()) return 0;
  patchserve::simulate::PrintRetries();
  patchserve::simulate::PrintUnlike();
  patchserve::simulate::PrintBurst();
  patchserve::simulate::PrintStream();
  patchserve::simulate::PrintCluster();
}
