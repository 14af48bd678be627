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

absl::Status Stopped() { return absl::CancelledError("stopped while warming"); }

absl::StatusOr<absl::Duration> TimeOnce(const ServedModel& model,
                                        const std::vector<ModelInput>& batch,
                                        absl::Duration expected, const RunOnDevice& run) {
  absl::Status status;
  absl::Duration took;
  const bool ran = run(expected, [&] {
    const absl::Time start = absl::Now();
    status = RunOnce(model, batch);
    took = absl::Now() - start;
  });
  if (!ran) return Stopped();
  if (!status.ok()) return status;
  return took;
}

}  // namespace

absl::StatusOr<std::vector<CostModel::Sample>> WarmUpAndTest(const ServedModel& model,
                                                             const RunOnDevice& run,
                                                             absl::Duration longest,
                                                             const std::atomic<bool>& cancelled) {
  const Preprocessing& how = model.description.preprocessing;
  ASSIGN_OR_RETURN(const ImageInfo info, ReadHeader(kSelfTestPhoto, ImageLimits{}));
  ASSIGN_OR_RETURN(const OwnedInput input,
                   MakeModelInput(absl::MakeConstSpan(kSelfTestPhoto), info, how));

  std::vector<CostModel::Sample> measured;
  absl::Duration took;  // by the last batch
  int last = 1;         // its size
  for (int size : BatchBuckets(model.max_batch)) {
    if (took * size / last > longest) break;  // CostModel goes on from what is known
    const std::vector<ModelInput> batch(size, input.view());
    for (int round = 0; round < 2; ++round) {
      if (cancelled) return Stopped();
      ASSIGN_OR_RETURN(took, TimeOnce(model, batch, took * size / last, run));
      last = size;
    }
    measured.push_back({size, took});
  }
  return measured;
}

}  // namespace patchserve
