// What the policies did in a cell, and the file that keeps it.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "bench/simulate/simulation.h"

namespace patchserve::simulate {

// A Result without the single latencies.
struct Figures {
  int64_t sent = 0;
  int64_t refused = 0;            // on arrival
  std::vector<int64_t> by_model;  // in time
  double seconds = 0;             // from the first request to the last
  double p50_ms = 0, p99_ms = 0;  // of the requests in time; nan if there are none
  double mean_batch = 0;

  Figures() = default;
  explicit Figures(const Result& result);

  int64_t in_time() const;
};

// A policy in a cell, at the best of its grid of options.
struct Row {
  std::string policy;
  std::string options;
  std::vector<Figures> seeds;

  double in_time() const;  // of all seeds together, as are these
  double admitted() const;
};

struct Outcome {
  Row ours;
  std::vector<Row> peers;
  std::vector<double> bounds;  // requests in time, at most, by seed

  const Row& Peer(const std::string& policy) const;
  const Row& best() const;             // of the peers: the most in time
  double ratio() const;                // ours / best peer, of all seeds together
  std::vector<double> ratios() const;  // the same by seed, to the same peer
  double of_bound() const;             // ours / bound
};

// Curve, traffic, budget, load.
using CellKey = std::tuple<std::string, std::string, double, double>;

// One line a policy and seed:
//   curve,traffic,budget,load,seed,policy,options,sent,refused,in_time,seconds,bound,
//   goodput,of_bound,p50_ms,p99_ms,batch
// budget: that a request brings, in batches of one. load: of the device's capacity.
// in_time: requests; by model, "a/b". seconds: from the first request to the last.
// goodput: in_time / seconds. bound: requests that could be in time at most; of_bound:
// in_time / bound.
void WriteHeader(std::ostream& csv);
void WriteOutcome(std::ostream& csv, const CellKey& cell, const Outcome& outcome);

// What WriteOutcome wrote.
// Throws std::runtime_error on a file of another form.
std::map<CellKey, Outcome> ReadOutcomes(std::istream& csv);

}  // namespace patchserve::simulate
