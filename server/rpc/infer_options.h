// What a ModelInferRequest asks for beside its images.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "inference/grpc_service.pb.h"
#include "server/model/model.h"
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
  bool normalize_embedding = false;
  Criticality criticality = Criticality::kDefault;
  std::optional<absl::Duration> timeout;  // positive

  bool Wants(OutputKind kind) const;
};

const char* NameOf(OutputKind kind);

// What comes if no output is asked for, the one that the model's metadata name.
struct DefaultOutput {
  OutputKind kind;
  int size;  // values an image
};
DefaultOutput DefaultOutputOf(const ModelDescription& model);

// `priority`: 1 is CRITICAL, 0 (as if unset) and 2 DEFAULT, more SHEDDABLE. `timeout`:
// microseconds, 0 as if unset. `normalize_embedding`: a bool. Other parameters are ignored.
// Errors: INVALID_ARGUMENT: an output that there isn't, that `model` doesn't have, or twice; a
// parameter of the wrong type or value. UNIMPLEMENTED: shared memory.
absl::StatusOr<InferOptions> ReadOptions(const inference::ModelInferRequest& message,
                                         const ModelDescription& model);

}  // namespace patchserve
