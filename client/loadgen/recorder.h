// What became of the requests, and what that comes to.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace patchserve {

// One request. Times are since the start of the load.
struct Outcome {
  // When it was to be sent; in a closed loop, when it was.
  absl::Duration intended;
  // How much later than intended it was sent, or found that it can't be.
  absl::Duration late;
  // From the intended send to the answer.
  absl::Duration latency;
  // nullopt: it was not sent, as too many were unanswered or its deadline had passed.
  std::optional<absl::Status> status;
};

// The p quantile (0 < p <= 1) by nearest rank: the least of the values such that a share
// of p or more is not above it. Reorders `values`. nullopt if there are none.
std::optional<absl::Duration> Percentile(std::vector<absl::Duration>& values, double p);

struct Latencies {
  int64_t count = 0;
  std::optional<absl::Duration> p50, p90, p99, p999, max;  // unset if count is 0
};

struct Summary {
  int64_t requests = 0;
  // By code ("OK", "UNAVAILABLE"), and "NOT_SENT"; they add up to `requests`.
  std::map<std::string, int64_t> results;
  // The first error's text, by code.
  std::map<std::string, std::string> messages;
  // A second: requests, answers that were OK, and those within the deadline.
  double offered = 0;
  double throughput = 0;
  double goodput = 0;
  Latencies ok;                            // answers that were OK
  Latencies all;                           // all that were sent, with the time their result took
  std::optional<absl::Duration> late_p99;  // of all
};

// Keeps 24 bytes a request, so that percentiles are exact. Not thread-safe.
class Recorder {
 public:
  // Counts requests that were intended in [begin, end).
  Recorder(absl::Duration begin, absl::Duration end, absl::Duration deadline)
      : begin_(begin), end_(end), deadline_(deadline) {}

  void Add(const Outcome& outcome);

  Summary Summarize() const;

 private:
  const absl::Duration begin_, end_, deadline_;
  int64_t in_time_ = 0;
  std::map<std::string, int64_t> results_;
  std::map<std::string, std::string> messages_;
  std::vector<absl::Duration> ok_, all_, late_;
};

}  // namespace patchserve
