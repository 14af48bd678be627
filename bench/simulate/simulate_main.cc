// make simulate: the server's scheduling against the peers' policies, in virtual time.
//
//   build/bin/simulate [--csv=FILE] [--peers=FILE] [--only=CURVE/TRAFFIC] [--seeds=N] [--jobs=N]
//                      [--behind]
//
// README.md says what the cells, the peers and the figures are.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "bench/simulate/cells.h"
#include "bench/simulate/ours.h"
#include "bench/simulate/parallel.h"
#include "bench/simulate/results.h"
#include "bench/simulate/scenarios.h"
#include "bench/simulate/summary.h"

ABSL_FLAG(std::string, csv, "", "where to write every policy's rows of every cell");
ABSL_FLAG(std::string, peers, "",
          "what --csv wrote earlier: the peers' rows are taken from there, only ours is simulated, "
          "in the cells alone; a cell that isn't there is simulated in full");
ABSL_FLAG(std::string, only, "", "only cells whose curve/traffic begins with this");
ABSL_FLAG(int, seeds, patchserve::simulate::kSeeds, "how many traffics a cell");
ABSL_FLAG(int, jobs, static_cast<int>(std::thread::hardware_concurrency()), "threads");
ABSL_FLAG(bool, behind, false, "list the cells in which ours is more than 2 % behind");

namespace patchserve::simulate {
namespace {

CellKey KeyOf(const Cell& cell) { return {cell.curve->name, cell.traffic, cell.budget, cell.load}; }

std::map<CellKey, Outcome> ReadPeers(const std::string& path) {
  if (path.empty()) return {};
  std::ifstream csv(path);
  if (!csv) throw std::runtime_error("can't read " + path);
  return ReadOutcomes(csv);
}

// The peers of the file, with the first `seeds` seeds.
void TakePeers(const Outcome& known, int seeds, Outcome& outcome) {
  outcome.peers = known.peers;
  outcome.bounds = known.bounds;
  for (Row& row : outcome.peers) row.seeds.resize(std::min<size_t>(seeds, row.seeds.size()));
  outcome.bounds.resize(std::min<size_t>(seeds, outcome.bounds.size()));
}

// A closed loop sends what the policy lets it; all else is the same for every policy.
void CheckSameTraffic(const Cell& cell, const Outcome& outcome) {
  for (size_t seed = 0; seed < outcome.ours.seeds.size(); ++seed) {
    const auto& peer = outcome.peers.front().seeds;
    if (seed >= peer.size()) throw std::runtime_error("--peers has fewer seeds");
    if (cell.traffic != "closed" && outcome.ours.seeds[seed].sent != peer[seed].sent) {
      throw std::runtime_error("--peers is of other traffic in " + cell.name());
    }
  }
}

Outcome Simulate(const Cell& cell, int seeds, const std::map<CellKey, Outcome>& known) {
  const CellRuns runs(cell, seeds);
  Outcome outcome{runs.Run("ours", "", Ours()), {}, {}};
  const auto peers = known.find(KeyOf(cell));
  if (peers != known.end()) {
    TakePeers(peers->second, seeds, outcome);
  } else {
    outcome.peers = runs.RunPeers();
    outcome.bounds = runs.Bounds();
  }
  return outcome;
}

void RunCells() {
  const std::map<CellKey, Outcome> known = ReadPeers(absl::GetFlag(FLAGS_peers));
  const std::vector<Cell> cells = Cells(absl::GetFlag(FLAGS_only));
  std::vector<Outcome> outcomes(cells.size());
  const int seeds = absl::GetFlag(FLAGS_seeds);
  ForEach(absl::GetFlag(FLAGS_jobs), cells.size(),
          [&](size_t i) { outcomes[i] = Simulate(cells[i], seeds, known); });
  for (size_t i = 0; i < cells.size(); ++i) CheckSameTraffic(cells[i], outcomes[i]);
  if (!absl::GetFlag(FLAGS_csv).empty()) {
    std::ofstream csv(absl::GetFlag(FLAGS_csv));
    WriteHeader(csv);
    for (size_t i = 0; i < cells.size(); ++i) WriteOutcome(csv, KeyOf(cells[i]), outcomes[i]);
  }
  PrintTable("cells with curves of", "best peer's", ByGroup(cells, outcomes));
  PrintTable("curve/traffic", "best peer's", ByTraffic(cells, outcomes));
  PrintBounds(cells, outcomes);
  if (absl::GetFlag(FLAGS_behind)) PrintBehind(cells, outcomes);
}

}  // namespace
}  // namespace patchserve::simulate

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  try {
    patchserve::simulate::RunCells();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "simulate: %s\n", error.what());
    return 1;
  }
  if (!absl::GetFlag(FLAGS_only).empty() || !absl::GetFlag(FLAGS_peers).empty()) return 0;
  patchserve::simulate::PrintRetries();
  patchserve::simulate::PrintUnlike();
  patchserve::simulate::PrintBurst();
  patchserve::simulate::PrintStream();
  patchserve::simulate::PrintCluster();
}
