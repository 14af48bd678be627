// How much may be in flight at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/functional/any_invocable.h"

namespace patchserve {

// Something taken that must be given back: when this goes, or before by Release.
class Hold {
 public:
  Hold() = default;
  explicit Hold(absl::AnyInvocable<void() &&> give_back) : give_back_(std::move(give_back)) {}
  Hold(Hold&& other) noexcept : give_back_(std::exchange(other.give_back_, nullptr)) {}
  Hold& operator=(Hold&& other) noexcept {
    Release();
    give_back_ = std::exchange(other.give_back_, nullptr);
    return *this;
  }
  ~Hold() { Release(); }

  void Release() {
    if (give_back_) std::move(std::exchange(give_back_, nullptr))();
  }
  // Somebody else gives it back.
  void Forget() { give_back_ = nullptr; }
  explicit operator bool() const { return give_back_ != nullptr; }

 private:
  absl::AnyInvocable<void() &&> give_back_;
};

// An amount of something, up to a limit. Thread-safe; must outlive its holds.
class Budget {
 public:
  explicit Budget(int64_t limit) : limit_(limit) {}

  // Nothing if more than `share` of the limit would be in use. When nothing is in use any
  // amount is given.
  Hold Take(int64_t amount, double share = 1) {
    const int64_t before = used_.fetch_add(amount);
    if (before > 0 && before + amount > share * static_cast<double>(limit_)) {
      used_ -= amount;
      return Hold();
    }
    return Hold([this, amount] { used_ -= amount; });
  }

  int64_t used() const { return used_; }
  int64_t limit() const { return limit_; }

 private:
  const int64_t limit_;
  std::atomic<int64_t> used_ = 0;
};

}  // namespace patchserve
