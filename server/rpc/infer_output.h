// Answers as the Open Inference Protocol's tensors.
#pragma once

#include "absl/types/span.h"
#include "inference/grpc_service.pb.h"
#include "server/pipeline/answer.h"
#include "server/rpc/infer_options.h"

namespace patchserve {

// Adds the outputs, one row an answer, in raw_output_contents. The answers have what the
// outputs need: logits for probabilities and logits, the embedding, a prediction.
void WriteOutputs(absl::Span<const Answer> answers, absl::Span<const WantedOutput> outputs,
                  inference::ModelInferResponse& response);

}  // namespace patchserve
