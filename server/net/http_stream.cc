#include "server/net/http_stream.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "server/base/steady_clock.h"
#include "server/net/wait.h"

namespace patchserve {
namespace {

constexpr size_t kLongestHead = 16 << 10;
constexpr absl::Duration kHeadWithin = absl::Seconds(5);
constexpr absl::Duration kAllWithin = absl::Seconds(15);

}  // namespace

HttpStream::HttpStream(int fd)
    : fd_(fd), read_until_(SteadyNow() + kHeadWithin), write_until_(SteadyNow() + kAllWithin) {}

ssize_t HttpStream::read(char* to, size_t size) {
  if (position_ == buffer_.size()) {
    char chunk[2048];
    const size_t room = std::min(sizeof chunk, kLongestHead - buffer_.size());
    if (room == 0 || !WaitFor(fd_, POLLIN, read_until_)) return -1;
    const ssize_t got = recv(fd_, chunk, room, 0);
    if (got <= 0) return got;
    buffer_.append(chunk, got);
  }
  size = std::min(size, buffer_.size() - position_);
  std::memcpy(to, buffer_.data() + position_, size);
  position_ += size;
  return static_cast<ssize_t>(size);
}

ssize_t HttpStream::write(const char* from, size_t size) {
  if (!WaitFor(fd_, POLLOUT, write_until_)) return -1;
  return send(fd_, from, size, MSG_NOSIGNAL);
}

}  // namespace patchserve
