// How the process's memory is divided: so that no load, however it is made, takes more than the
// limit.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "server/config/config.h"

namespace patchserve {

// Bytes. The limit is at least the sum of the others.
struct MemoryPlan {
  int64_t limit = 0;
  int64_t process = 0;   // code, weights, and what the models need to run
  int64_t grpc = 0;      // messages that are being received and sent
  int64_t images = 0;    // that wait for their answers
  int64_t decoding = 0;  // pixels, and what codecs hold
  int64_t spare = 0;     // what can't be counted: copies on the way, the allocator's holes
};

// `process`: what it takes with its models, or 0 before that is known.
// Errors: FAILED_PRECONDITION: an image that the flags allow doesn't fit into what is left, or
// flags want more than that; the message has the sum.
absl::StatusOr<MemoryPlan> PlanMemory(const Config& config, int64_t process);

// What gRPC has of a limit where no flag says.
int64_t GrpcMemory(int64_t limit);

}  // namespace patchserve
