// What a request is answered with.
#pragma once

#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/image/image.h"
#include "server/pipeline/model_registry.h"
#include "server/pipeline/ranking.h"

namespace patchserve {

struct Answer {
  std::shared_ptr<const ServedModel> model;
  std::vector<Prediction> predictions;  // best first; none of a model without a classifier
  std::vector<float> embedding;         // empty unless asked for
  std::vector<float> logits;            // of all classes; empty unless asked for
  ImageInfo image;
  absl::Duration decode;  // with resize and crop
  absl::Duration queue;   // for a decoding thread, and for the device
  absl::Duration run;     // the whole batch on the device
  absl::Duration output;  // since the batch's end
  int batch_size = 0;
  bool in_time = false;  // answered by its deadline
};

// Called exactly once a request, on any thread of the server's.
using AnswerCallback = absl::AnyInvocable<void(absl::StatusOr<Answer>) &&>;

// What of it is asked for.
struct AnswerParts {
  int top_k = 1;
  bool embedding = false;
  bool logits = false;
  bool normalize = false;   // the embedding, to length 1
  bool any_values = false;  // also such as aren't finite
};

// Row `row` of a batch's output, ranked.
// Errors: INTERNAL: logits, or an embedding without logits, that aren't finite, without any_values.
absl::StatusOr<Answer> MakeAnswer(const ServedModel& model, const BatchOutput& output, int row,
                                  const AnswerParts& parts);

}  // namespace patchserve
