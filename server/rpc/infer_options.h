// What a ModelInferRequest asks for beside its images.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "inference/grpc_service.pb.h"
#include "server/pipeline/request.h"

namespace patchserve {

enum class OutputKind {
  kProbabilities,  // FP32 [N, classes]
  kLogits,         // FP32 [N, classes]
  kEmbedding,      // FP32 [N, size]
  kLabel,          // BYTES [N, 1]: of the most likely class
};

struct WantedOutput {
  OutputKind kind = OutputKind::kProbabilities;
  int classification = 0;  // k > 0: instead BYTES [N, k], "value:index:label"
};

struct InferOptions {
  std::vector<WantedOutput> outputs;  // at least one
  Criticality criticality = Criticality::kDefault;
  std::optional<absl::Duration> timeout;  // positive

  bool Wants(OutputKind kind) const;
};

const char* NameOf(OutputKind kind);

// `priority`: 1 is CRITICAL, 0 (as if unset) and 2 DEFAULT, more SHEDDABLE. `timeout`:
// microseconds, 0 as if unset. Other parameters are ignored.
// Errors: INVALID_ARGUMENT: an output that there isn't, or twice; a parameter of the wrong
// type or value. UNIMPLEMENTED: shared memory.
absl::StatusOr<InferOptions> ReadOptions(const inference::ModelInferRequest& message);

}  // namespace patchserve
