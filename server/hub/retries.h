// Trying again what may work later, a bounded number of times.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace patchserve {

// Waits so long; CANCELLED where the wait was ended.
using WaitFunction = std::function<absl::Status(absl::Duration)>;

constexpr int kMostTries = 5;

// Counts the tries of one thing.
class Retries {
 public:
  Retries(int most_tries, const WaitFunction& wait) : most_tries_(most_tries), wait_(wait) {}

  // After a try that gave `failed`. OK: it has waited, try again: 1, 2, 4 ... seconds, or as long
  // as the status says (base/retry_after.h). Otherwise the error to give up with: `failed` where it
  // isn't UNAVAILABLE, was the last try, or asks for more than a minute; or that of waiting.
  absl::Status Again(const absl::Status& failed);

  // Something was achieved: the tries count anew.
  void Reset() { tries_ = 0; }

 private:
  const int most_tries_;
  const WaitFunction& wait_;
  int tries_ = 0;
};

}  // namespace patchserve
