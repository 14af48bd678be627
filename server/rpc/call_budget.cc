#include "server/rpc/call_budget.h"

#include <algorithm>
#include <utility>

namespace patchserve {
namespace {

// Of the resets of a connection without an open call.
constexpr absl::Duration kForgetAfter = absl::Seconds(10);

}  // namespace

struct CallBudget::Connection {
  std::string peer;
  int open = 0;
  int resets = 0;
  int64_t bytes = 0;
  absl::Time last_close;
  bool ended = false;
};

void CallBudget::Connected(const std::string& peer) {
  const auto before = connections_.find(peer);
  if (before != connections_.end() && before->second->ended) connections_.erase(before);
}

std::optional<EndConnection> CallBudget::Open(const std::string& peer, absl::Time now, Call& call) {
  ForgetIdle(now);
  std::shared_ptr<Connection>& connection = connections_[peer];
  if (connection == nullptr) connection = std::make_shared<Connection>(Connection{.peer = peer});
  call.connection = connection;
  ++connection->open;
  Charge(call, kCallBytes);
  if (connection->open > limits_.per_connection) return End(*connection, Misuse::kCalls);
  return CheckMemory();
}

std::optional<EndConnection> CallBudget::Answer(Call& call, int64_t bytes) {
  call.unsent += bytes;
  Charge(call, bytes);
  return CheckMemory();
}

void CallBudget::Sent(Call& call) { Charge(call, -std::exchange(call.unsent, 0)); }

std::optional<EndConnection> CallBudget::Close(Call& call, bool reset, absl::Time now) {
  Sent(call);
  Charge(call, -kCallBytes);
  Connection& connection = *call.connection;
  --connection.open;
  connection.last_close = now;
  connection.resets = std::max(0, connection.resets + (reset ? 1 : -2));
  std::optional<EndConnection> end;
  if (connection.resets > kResets) end = End(connection, Misuse::kResets);
  if (connection.open == 0 && (connection.ended || connection.resets == 0)) {
    const auto named = connections_.find(connection.peer);
    // Else the name is a later connection's by now.
    if (named != connections_.end() && named->second == call.connection) connections_.erase(named);
  }
  return end;
}

void CallBudget::Charge(Call& call, int64_t bytes) {
  call.connection->bytes += bytes;
  if (!call.connection->ended) bytes_ += bytes;
}

std::optional<EndConnection> CallBudget::End(Connection& connection, Misuse why) {
  if (connection.ended) return std::nullopt;
  connection.ended = true;
  bytes_ -= connection.bytes;
  return EndConnection{connection.peer, why};
}

std::optional<EndConnection> CallBudget::CheckMemory() {
  if (bytes_ <= limits_.bytes) return std::nullopt;
  Connection* most = nullptr;
  for (const auto& [peer, connection] : connections_) {
    if (connection->ended) continue;
    if (most == nullptr || connection->bytes > most->bytes) most = connection.get();
  }
  return End(*most, Misuse::kMemory);
}

void CallBudget::ForgetIdle(absl::Time now) {
  if (connections_.size() < forget_at_) return;
  std::erase_if(connections_, [now](const auto& entry) {
    return entry.second->open == 0 && entry.second->last_close < now - kForgetAfter;
  });
  forget_at_ = std::max<size_t>(1024, 2 * connections_.size());
}

}  // namespace patchserve
