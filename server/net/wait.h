// Waits for a socket.
#pragma once

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "absl/time/time.h"
#include "server/base/steady_clock.h"

namespace patchserve {

// `events`: poll()'s. False if none came by `until`.
inline bool WaitFor(int fd, short events, absl::Time until) {
  pollfd waiting{.fd = fd, .events = events};
  int ready = 0;
  do {
    const int64_t left = absl::ToInt64Milliseconds(until - SteadyNow());
    ready = poll(&waiting, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 60'000)));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

}  // namespace patchserve
