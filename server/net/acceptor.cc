#include "server/net/acceptor.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "server/base/steady_clock.h"

namespace patchserve {
namespace {

// After an error: that of a lack of descriptors or memory would come again at once.
constexpr absl::Duration kBackOff = absl::Milliseconds(20);

// With a reset: a flood leaves no sockets behind that wait.
void Refuse(FileDescriptor connection) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace

Acceptor::Acceptor(ListeningSockets sockets, const PortLimits& limits, TakeFunction take)
    : sockets_(std::move(sockets)),
      take_(std::move(take)),
      stop_(eventfd(0, EFD_CLOEXEC)),
      table_(limits, connections_),
      thread_([this] { Run(); }) {}

void Acceptor::Stop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  static_cast<void>(!write(stop_.get(), &one, sizeof one));
  thread_.join();
  sockets_.sockets.clear();
}

void Acceptor::EndAll() {
  Stop();
  Lock lock(mutex_);
  table_.EndAll();
}

void Acceptor::Reset(const std::string& peer) {
  Lock lock(mutex_);
  table_.Reset(peer);
}

void Acceptor::Run() {
  std::vector<pollfd> watched = {{.fd = stop_.get(), .events = POLLIN}};
  for (const FileDescriptor& socket : sockets_.sockets) {
    watched.push_back({.fd = socket.get(), .events = POLLIN});
  }
  while (watched[0].revents == 0) {
    poll(watched.data(), watched.size(), -1);
    for (size_t i = 1; i < watched.size(); ++i) {
      if (watched[i].revents != 0) AcceptOne(watched[i].fd);
    }
  }
}

void Acceptor::AcceptOne(int listener) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  FileDescriptor accepted(
      accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (accepted.get() >= 0) return Decide(std::move(accepted), peer);
  if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
  {
    Lock lock(mutex_);
    ++counts_.accept_errors;
  }
  absl::SleepFor(kBackOff);
}

void Acceptor::Decide(FileDescriptor accepted, const sockaddr_storage& peer) {
  const Connection connection = Identify(accepted.get(), peer);
  {
    Lock lock(mutex_);
    if (own_ == nullptr || !own_->IsFrom(peer)) {
      switch (table_.Admit(connection, SteadyNow())) {
        case Verdict::kAdmitted:
          ++counts_.accepted;
          break;
        case Verdict::kFull:
          ++counts_.refused_full;
          return Refuse(std::move(accepted));
        case Verdict::kPeerFull:
          ++counts_.refused_peer;
          return Refuse(std::move(accepted));
      }
    }
  }
  take_(accepted.Release(), connection.name);
}

ConnectionCounts Acceptor::counts() {
  Lock lock(mutex_);
  ConnectionCounts counts = counts_;
  counts.open = table_.CountOpen();
  counts.ended_silent = table_.ended();
  return counts;
}

bool Acceptor::Answers(const std::string& greeting, absl::Duration timeout) {
  // The last address is reached by the same thread as the first.
  auto own = std::make_shared<const SelfConnection>(sockets_.sockets.front().get());
  {
    Lock lock(mutex_);
    own_ = own;
  }
  const bool answered = own->Answered(greeting, timeout);
  Lock lock(mutex_);
  own_ = nullptr;
  return answered;
}

}  // namespace patchserve
