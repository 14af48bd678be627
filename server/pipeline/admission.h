// Whether there is room for a request, and time: the last check before work is spent.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/pipeline/budget.h"
#include "server/pipeline/call.h"
#include "server/pipeline/decode_cost.h"
#include "server/scheduling/executor.h"

namespace patchserve {

// Bytes.
struct Budgets {
  int64_t images = 0;    // that aren't answered, as sent and as model input
  int64_t decoding = 0;  // what decoding those takes that aren't decoded
};

// Thread-safe.
class AdmissionControl {
 public:
  struct Options {
    Budgets budgets;
    int decode_threads = 1;
  };

  // `executor` must outlive this, and this every call that it admitted.
  AdmissionControl(const Options& options, Executor<CallPtr>& executor);

  // Gives the call its ticket and its holds, of which Classifier::Decode releases those that end
  // there. Counts what is refused. Errors: RESOURCE_EXHAUSTED, with RetryAfter: no room, or it
  // would be late. DEADLINE_EXCEEDED: it would be late on an idle server too. INVALID_ARGUMENT:
  // decoding it takes more than there ever is.
  absl::Status Admit(Call& call, absl::Time now);

  // For requests from now on.
  void SetBudgets(const Budgets& budgets);
  Budgets budgets() const { return {bytes_.limit(), decoding_.limit()}; }

  // Such an image kept a decoding thread for so long.
  void Decoded(const ImageInfo& image, absl::Duration took) { decode_cost_.Observe(image, took); }

  // How long a request for this model, without a deadline, would wait if it came now.
  absl::Duration PredictedWait(const ServedModel& model);

 private:
  absl::Status Decide(Call& call, const Admission& admission, absl::Time now);
  absl::Duration DecodeWait() const;

  const int decode_threads_;
  Budget bytes_;
  Budget decoding_;
  Budget decode_work_;  // nanoseconds; unlimited
  DecodeCost decode_cost_;
  Executor<CallPtr>& executor_;
};

}  // namespace patchserve
