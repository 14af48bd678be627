#include "server/process_events.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>

#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

// Ends the thread that waits for signals.
constexpr int kWakeUp = SIGUSR2;

sigset_t Watched() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, kWakeUp}) sigaddset(&set, signal);
  return set;
}

}  // namespace

ProcessEvents::ProcessEvents() {
  const sigset_t watched = Watched();
  pthread_sigmask(SIG_BLOCK, &watched, nullptr);
  signals_ = std::thread([this] { WatchSignals(); });
}

ProcessEvents::~ProcessEvents() {
  pthread_kill(signals_.native_handle(), kWakeUp);
  signals_.join();
}

void ProcessEvents::Post(Event event) {
  Lock lock(mutex_);
  if (!event_.has_value()) event_ = std::move(event);
  posted_.notify_one();
}

Event ProcessEvents::Wait() {
  Lock lock(mutex_);
  while (!event_.has_value()) posted_.wait(lock);
  return *event_;
}

void ProcessEvents::WatchSignals() {
  const sigset_t watched = Watched();
  for (bool first = true;; first = false) {
    int signal = 0;
    sigwait(&watched, &signal);
    if (signal == kWakeUp) return;
    if (!first) {
      spdlog::warn("a second signal: ending at once");
      _exit(1);
    }
    spdlog::info("signal {}: stopping", signal);
    Post({EventKind::kSignal, absl::OkStatus()});
  }
}

}  // namespace patchserve
