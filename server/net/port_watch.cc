#include "server/net/port_watch.h"

#include <utility>

namespace patchserve {
namespace {

constexpr int kFailures = 3;

}  // namespace

PortWatch::PortWatch(absl::Duration interval, std::function<bool()> answers,
                     std::function<void(bool)> changed)
    : interval_(interval),
      answers_(std::move(answers)),
      changed_(std::move(changed)),
      thread_([this] { Run(); }) {}

void PortWatch::Stop() {
  {
    Lock lock(mutex_);
    stopped_ = true;
  }
  stopping_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void PortWatch::Run() {
  int failures = 0;
  Lock lock(mutex_);
  const auto stopped = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopped_; };
  while (!stopping_.wait_for(lock, absl::ToChronoNanoseconds(interval_), stopped)) {
    lock.unlock();
    const bool answers = answers_();
    failures = answers ? failures : failures + 1;
    if (answers && std::exchange(failures, 0) >= kFailures) changed_(true);
    if (failures == kFailures) changed_(false);
    lock.lock();
  }
}

}  // namespace patchserve
