// A batch that the device is done with, while its answers are made.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "server/model/model.h"
#include "server/pipeline/call.h"
#include "server/pipeline/model_registry.h"

namespace patchserve {

// What the device made of a batch.
struct DeviceRun {
  absl::Time started;
  absl::Duration took;
  absl::StatusOr<BatchOutput> output;
};

// Counts the batch in its model's figures, before its last answer: a client that has all of them
// finds it counted.
class FinishedBatch {
 public:
  // `run.output` is OK. `now`: the clock of deadlines. `answered` is called once, after the
  // last answer, with how many were late.
  FinishedBatch(std::vector<CallPtr> calls, DeviceRun run, std::function<absl::Time()> now,
                std::function<void(int late)> answered);

  int size() const { return static_cast<int>(calls_.size()); }

  // Answers the images first, first + 1 ... end - 1. Each is to be answered once; different ones
  // may be on several threads at once.
  void Answer(int first, int end);

 private:
  absl::StatusOr<patchserve::Answer> AnswerOf(Call& call, int row) const;
  bool Late(const Call& call) const;

  const std::vector<CallPtr> calls_;
  const std::shared_ptr<const ServedModel> model_;
  const DeviceRun run_;
  const std::function<absl::Time()> now_;
  const std::function<void(int late)> answered_;
  absl::Duration longest_decode_;
  std::atomic<int> unready_, unanswered_;  // images without an answer; whose answer isn't sent
  std::atomic<int> late_ = 0;
};

}  // namespace patchserve
