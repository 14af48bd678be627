#include "server/net/connection_table.h"

#include <algorithm>
#include <utility>

namespace patchserve {
namespace {

constexpr absl::Duration kMayEndAfter = absl::Seconds(30);
// A client that connects to call sends at once.
constexpr absl::Duration kMayEndUnusedAfter = absl::Seconds(1);
constexpr absl::Duration kLookAgainAfter = absl::Milliseconds(100);
constexpr int kEndShare = 16;

}  // namespace

Verdict ConnectionTable::Room(uint64_t peer) const {
  if (static_cast<int>(open_.size()) >= limits_.total) return Verdict::kFull;
  const auto it = by_peer_.find(peer);
  const bool peer_full = it != by_peer_.end() && it->second >= limits_.per_peer;
  return peer_full ? Verdict::kPeerFull : Verdict::kAdmitted;
}

void ConnectionTable::Forget(int fd) {
  const auto it = open_.find(fd);
  if (it == open_.end()) return;
  const auto count = by_peer_.find(it->second.peer);
  if (--count->second == 0) by_peer_.erase(count);
  open_.erase(it);
}

void ConnectionTable::ForgetClosed() {
  std::vector<int> closed;
  for (const auto& [fd, connection] : open_) {
    if (!connections_.IsOpen(connection)) closed.push_back(fd);
  }
  for (const int fd : closed) Forget(fd);
}

// Of one peer, or, for null, of all.
void ConnectionTable::EndSilent(const uint64_t* peer) {
  std::vector<std::pair<absl::Duration, int>> silent;
  for (const auto& [fd, connection] : open_) {
    if (peer != nullptr && connection.peer != *peer) continue;
    const Connections::Silence silence = connections_.SilenceOf(connection);
    if (silence.lasts >= (silence.from_start ? kMayEndUnusedAfter : kMayEndAfter)) {
      silent.push_back({silence.lasts, fd});
    }
  }
  const int limit = peer == nullptr ? limits_.total : limits_.per_peer;
  const size_t most = std::max(1, limit / kEndShare);
  std::sort(silent.rbegin(), silent.rend());
  if (silent.size() > most) silent.resize(most);
  for (const auto& [lasts, fd] : silent) {
    connections_.End(open_.at(fd));
    Forget(fd);
    ++ended_;
  }
}

Verdict ConnectionTable::Admit(const Connection& connection, absl::Time now) {
  Forget(connection.fd);  // the number was free: whose it was is closed
  Verdict verdict = Room(connection.peer);
  if (verdict != Verdict::kAdmitted && now >= next_look_) {
    ForgetClosed();
    verdict = Room(connection.peer);
    if (verdict != Verdict::kAdmitted) {
      EndSilent(verdict == Verdict::kPeerFull ? &connection.peer : nullptr);
      verdict = Room(connection.peer);
    }
    if (verdict != Verdict::kAdmitted) next_look_ = now + kLookAgainAfter;
  }
  if (verdict != Verdict::kAdmitted) return verdict;
  open_[connection.fd] = connection;
  ++by_peer_[connection.peer];
  return verdict;
}

void ConnectionTable::Reset(const std::string& name) {
  for (const auto& [fd, connection] : open_) {
    if (connection.name == name) connections_.Reset(connection);
  }
}

void ConnectionTable::EndAll() {
  for (const auto& [fd, connection] : open_) connections_.End(connection);
}

int ConnectionTable::CountOpen() {
  ForgetClosed();
  return static_cast<int>(open_.size());
}

}  // namespace patchserve
