// What is simulated: cost curves, kinds of traffic, budgets and loads.
#pragma once

#include <string>
#include <vector>

#include "bench/simulate/curves.h"
#include "bench/simulate/results.h"
#include "bench/simulate/simulation.h"

namespace patchserve::simulate {

struct Cell {
  const Curve* curve;
  std::string traffic;  // one of Traffics()
  double budget;        // that a request brings, as a multiple of a batch of one
  double load;          // as a multiple of what the device does with its best batches

  std::string name() const { return curve->name + "/" + traffic; }
};

// poisson, bursty, closed, two-models, mixed, decode.
const std::vector<std::string>& Traffics();

// All combinations whose curve/traffic begins with `prefix`, in the order of Curves().
std::vector<Cell> Cells(const std::string& prefix = "");

// How often each policy runs in a cell, each time with other traffic and other noise. All
// policies see the same.
inline constexpr int kSeeds = 3;

// A cell with its traffic, for the first `seeds` seeds. Run is thread-safe.
class CellRuns {
 public:
  explicit CellRuns(const Cell& cell, int seeds = kSeeds);

  // Every seed's traffic through a new policy.
  Row Run(const std::string& policy, const std::string& options, const MakePolicy& make) const;

  // The peers, each at the best of its grid: the most in time, all seeds together. Options
  // that are 5 % behind with the first seed are out.
  std::vector<Row> RunPeers() const;

  // Requests in time, at most, by seed (bounds.h).
  std::vector<double> Bounds() const;

 private:
  // Clients of the closed loop pause for as long as a request may take.
  struct Closed {
    int clients;
    double pause;
  };

  Figures RunSeed(int seed, const MakePolicy& make) const;
  std::vector<Request> OpenRequests(int seed) const;

  const Cell cell_;
  const int seeds_;
  Device device_;
  double seconds_;
  Closed closed_;
  std::vector<std::vector<Request>> requests_;  // by seed; none with a closed loop
};

}  // namespace patchserve::simulate
