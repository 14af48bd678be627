// A Scheduler that a test asks, one decision at a time.
#pragma once

#include <gmock/gmock.h>

#include <optional>
#include <vector>

#include "server/scheduling/scheduler.h"
#include "tests/scheduling/virtual_device.h"

namespace patchserve {

using Answer = Admission::Answer;

inline const std::vector<int> kOne = {1};
inline const std::vector<int> kEight = {1, 2, 4, 8};

class SchedulerTest : public ::testing::Test {
 protected:
  void Start(Scheduler::Options options) { scheduler.emplace(options); }
  int Add(CostModel cost, int max_queued = 1000) {
    return scheduler->AddModel(max_queued, std::move(cost));
  }
  Admission Ask(absl::Duration budget, int model = 0) {
    return scheduler->Admit(
        {.model = model, .criticality = Criticality::kCritical, .deadline = now + budget}, now);
  }
  // Of a request that waits from now on, and needs no decoding.
  int64_t Push(absl::Duration budget, int model = 0) {
    const Admission admission = Ask(budget, model);
    EXPECT_EQ(admission.answer, Answer::kAdmitted);
    scheduler->Ready(admission.ticket, now);
    return admission.ticket;
  }
  const ModelQueue& queue(int model) const { return scheduler->device().models[model]; }
  // How many requests alike are admitted before one is refused.
  int Admitted(Asking asking) {
    int count = 0;
    while (scheduler->Admit(asking, now).answer == Answer::kAdmitted) ++count;
    return count;
  }
  // Requests came every `gap` until now, and were refused for want of a place.
  void Came(absl::Duration gap, absl::Duration budget, int model = 0, int count = 100) {
    const absl::Time end = now;
    for (int i = count - 1; i >= 0; --i) {
      const absl::Time then = end - i * gap;
      const Admission admission =
          scheduler->Admit({.model = model, .deadline = then + budget}, then);
      if (admission.ticket >= 0) scheduler->Leave(admission.ticket, then);
    }
  }

  absl::Time now = t0;
  std::optional<Scheduler> scheduler{std::in_place, Scheduler::Options{}};
};

}  // namespace patchserve
