#include "server/pipeline/self_test.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/image/header.h"
#include "server/pipeline/answer.h"
#include "server/pipeline/batch_buckets.h"
#include "server/pipeline/model_input.h"
#include "server/pipeline/self_test_photo.h"
#include "spdlog/spdlog.h"

namespace patchserve {

namespace {

absl::Status RunOnce(const ServedModel& model, const std::vector<ModelInput>& batch) {
  const int size = static_cast<int>(batch.size());
  ASSIGN_OR_RETURN(const BatchOutput output, model.forward(batch, size, /*embeddings=*/true));
  if (output.logits.size() != batch.size() * model.description.classes.size()) {
    return absl::InternalError(absl::StrCat("self-test: a batch of ", batch.size(), " gave ",
                                            output.logits.size(), " logits"));
  }
  for (int row = 0; row < size; ++row) {
    RETURN_IF_ERROR(MakeAnswer(model, output, row, {.top_k = 1, .embedding = true}).status());
  }
  return absl::OkStatus();
}

absl::Status Stopped() { return absl::CancelledError("stopped while warming"); }

absl::StatusOr<absl::Duration> TimeOnce(const ServedModel& model,
                                        const std::vector<ModelInput>& batch,
                                        absl::Duration expected, const Runners& runners, int runner,
                                        const Clock& now) {
  absl::Status status;
  absl::Duration took;
  const bool ran = runners.run(runner, expected, [&] {
    const absl::Time start = now();
    status = RunOnce(model, batch);
    took = now() - start;
  });
  if (!ran) return Stopped();
  if (!status.ok()) return status;
  return took;
}

struct Warmth {
  absl::Duration first, settled;  // the first run, and the least of the last two
};

// Runs the batch on one runner until its time has settled.
absl::StatusOr<Warmth> WarmUp(const ServedModel& model, const std::vector<ModelInput>& batch,
                              absl::Duration expected, const Runners& runners, int runner,
                              const std::atomic<bool>& cancelled, const Clock& now) {
  constexpr int kFewest = 3, kMost = 20;
  constexpr double kAgree = 1.2;
  Warmth warmth;
  absl::Duration before = absl::InfiniteDuration();
  for (int round = 0; round < kMost; ++round) {
    if (cancelled) return Stopped();
    ASSIGN_OR_RETURN(const absl::Duration took,
                     TimeOnce(model, batch, expected, runners, runner, now));
    if (round == 0) warmth.first = took;
    warmth.settled = std::min(before, took);
    const bool agree = std::max(before, took) <= kAgree * warmth.settled;
    if (round + 1 >= kFewest && agree) break;
    before = expected = took;
  }
  return warmth;
}

// On every runner; returns the least that it took. Adds what first runs took to `first_use`.
absl::StatusOr<absl::Duration> WarmUpAll(const ServedModel& model,
                                         const std::vector<ModelInput>& batch,
                                         absl::Duration expected, const Runners& runners,
                                         const std::atomic<bool>& cancelled, const Clock& now,
                                         absl::Duration& first_use) {
  absl::Duration least = absl::InfiniteDuration();
  for (int runner = 0; runner < runners.count; ++runner) {
    ASSIGN_OR_RETURN(const Warmth warmth,
                     WarmUp(model, batch, expected, runners, runner, cancelled, now));
    first_use += std::max(warmth.first - warmth.settled, absl::ZeroDuration());
    least = std::min(least, warmth.settled);
  }
  return least;
}

// As for a batch that is alone: what it takes on several cores isn't counted with.
absl::Status WarmUpAlone(const ServedModel& model, const std::vector<ModelInput>& photo,
                         absl::Duration expected, const Runners& runners,
                         const std::atomic<bool>& cancelled, const Clock& now,
                         absl::Duration& first_use) {
  for (int cores = 2; cores <= model.cores_of_lone; cores *= 2) {
    const Runners first{1,
                        [&](int runner, absl::Duration takes, const std::function<void()>& work) {
                          return runners.run(runner, takes,
                                             [&] { runners.run_alone(cores, work); });
                        },
                        {}};
    RETURN_IF_ERROR(WarmUpAll(model, photo, expected, first, cancelled, now, first_use).status());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const uint8_t>> SelfTestPhoto(const Preprocessing& how,
                                                             const Allocate& allocate) {
  const auto file = absl::MakeConstSpan(kSelfTestPhoto);
  ASSIGN_OR_RETURN(const ImageInfo info, ReadHeader(file, ImageLimits{}));
  ASSIGN_OR_RETURN(const OwnedInput input, MakeModelInput(file, info, how, allocate));
  return input.pixels;
}

absl::StatusOr<std::vector<CostModel::Sample>> WarmUpAndTest(const ServedModel& model,
                                                             const Runners& runners,
                                                             const WhichBuckets& which,
                                                             const std::atomic<bool>& cancelled,
                                                             const Clock& now) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const uint8_t> photo,
                   SelfTestPhoto(model.description.preprocessing, model.allocate_input));

  std::vector<CostModel::Sample> measured;
  absl::Duration first_use;
  for (int bucket : model.buckets) {
    const bool doubles = measured.empty() || bucket >= 2 * measured.back().bucket;
    if (!which.every && !doubles && bucket != model.max_batch()) continue;
    absl::Duration expected = which.longest;  // nothing is known of the first
    if (!measured.empty()) expected = measured.back().took * bucket / measured.back().bucket;
    if (expected > which.longest) break;
    const std::vector<ModelInput> batch(bucket, photo.get());
    const absl::StatusOr<absl::Duration> took =
        WarmUpAll(model, batch, expected, runners, cancelled, now, first_use);
    if (absl::IsResourceExhausted(took.status()) && which.every && !measured.empty()) {
      spdlog::warn("model {}: batches are at most {}: {}", model.name, measured.back().bucket,
                   std::string(took.status().message()));
      break;
    }
    if (!took.ok()) return took.status();
    if (bucket == 1) {
      RETURN_IF_ERROR(WarmUpAlone(model, batch, *took, runners, cancelled, now, first_use));
    }
    measured.push_back({bucket, *took});
    // Some sizes are slower than both neighbours.
    if (which.while_it_pays && bucket >= 4 * LargestThatPays(measured)) break;
  }
  if (which.while_it_pays) {
    while (measured.back().bucket > LargestThatPays(measured)) measured.pop_back();
  }
  spdlog::info("model {}: buckets of 1 to {} images take {} to {}; their first use cost {}",
               model.name, measured.back().bucket, absl::FormatDuration(measured.front().took),
               absl::FormatDuration(measured.back().took), absl::FormatDuration(first_use));
  return measured;
}

}  // namespace patchserve
