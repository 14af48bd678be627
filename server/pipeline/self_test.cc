#include "server/pipeline/self_test.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/status.h"
#include "server/image/header.h"
#include "server/pipeline/answer.h"
#include "server/pipeline/model_input.h"
#include "server/pipeline/self_test_photo.h"

namespace patchserve {

namespace {

// The batch sizes that are warmed: 1, 2, 4 ... and max_batch.
std::vector<int> BatchBuckets(int max_batch) {
  std::vector<int> buckets;
  for (int size = 1; size < max_batch; size *= 2) buckets.push_back(size);
  buckets.push_back(max_batch);
  return buckets;
}

absl::Status RunOnce(const ServedModel& model, const std::vector<ModelInput>& batch) {
  ASSIGN_OR_RETURN(const BatchOutput output, model.forward(batch, /*embeddings=*/true));
  if (output.logits.size() != batch.size() * model.description.classes.size()) {
    return absl::InternalError(absl::StrCat("self-test: a batch of ", batch.size(), " gave ",
                                            output.logits.size(), " logits"));
  }
  for (int row = 0; row < static_cast<int>(batch.size()); ++row) {
    RETURN_IF_ERROR(MakeAnswer(model, output, row, {.top_k = 1, .embedding = true}).status());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<CostModel::Sample>> WarmUpAndTest(const ServedModel& model,
                                                             const std::atomic<bool>& cancelled) {
  const Preprocessing& how = model.description.preprocessing;
  ASSIGN_OR_RETURN(const ImageInfo info, ReadHeader(kSelfTestPhoto, ImageLimits{}));
  ASSIGN_OR_RETURN(const OwnedInput input,
                   MakeModelInput(absl::MakeConstSpan(kSelfTestPhoto), info, how));

  std::vector<CostModel::Sample> measured;
  for (int size : BatchBuckets(model.max_batch)) {
    if (cancelled) return absl::CancelledError("stopped while warming");
    const std::vector<ModelInput> batch(size, input.view());
    RETURN_IF_ERROR(RunOnce(model, batch));
    const absl::Time start = absl::Now();
    RETURN_IF_ERROR(RunOnce(model, batch));
    measured.push_back({size, absl::Now() - start});
  }
  return measured;
}

}  // namespace patchserve
