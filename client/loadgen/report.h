// What `loadgen` prints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "client/loadgen/recorder.h"

namespace patchserve {

struct Report {
  std::string server;
  // A closed loop has a concurrency, an open one a rate and the name of its arrivals.
  std::optional<int> concurrency;
  std::optional<double> rate;
  std::string arrivals;
  bool stream = false;
  bool embedding = false;
  bool retries = false;
  int connections = 1;
  std::string models;
  size_t photos = 0;
  uint64_t seed = 0;
  absl::Duration warm_up, duration, deadline;

  Summary summary;
  double cores_used = 0;  // by loadgen, while it measured
  double usable_cores = 0;
  std::optional<double> cores_waited;  // how many cores its threads lacked on average
  std::string limit;                   // OwnLimit
};

// For people: some lines.
std::string TextReport(const Report& report);

// One object, indented, with a line end. These names stay; others may join them. What
// isn't known or has no limit is null.
//   mode "closed" or "open"
//   server, concurrency, rate, arrivals, stream, embedding, retries, connections, models, photos,
//     seed, warm_up_s, duration_s, deadline_s    as asked for
//   requests                                     intended in the measured time
//   results {"OK": N, "UNAVAILABLE": N, "NOT_SENT": N, ...}   they add up to requests
//   messages {"UNAVAILABLE": "...", ...}         the first error's of each code
//   offered_per_s, throughput_per_s, goodput_per_s   requests; OK answers; those in time
//   latency_ms {count, p50, p90, p99, p99.9, max}     of OK answers
//   latency_all_ms {likewise}                         of all that were sent
//   late_p99_ms                   actual minus intended send; null in a closed loop
//   loadgen {cores_used, usable_cores, cores_waited, is_limit, limit_reason}
std::string JsonReport(const Report& report);

}  // namespace patchserve
