// Ends connections whose calls cost too much.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "grpcpp/server_builder.h"
#include "server/base/mutex.h"
#include "server/rpc/call_budget.h"

namespace patchserve {

// Since the start.
struct CallCounts {
  int64_t resets = 0;  // calls that their clients reset at once
  // Connections that were ended, by their Misuse.
  int64_t ended_calls = 0, ended_memory = 0, ended_resets = 0;
};

// Sees every call of a server, of any method, that has reached a handler. Thread-safe.
class CallWatch {
 public:
  explicit CallWatch(const CallLimits& limits) : budget_(limits) {}

  // `watch` sees the calls of the server that is built.
  static void Install(std::shared_ptr<CallWatch> watch, grpc::ServerBuilder& builder);

  // From now on `end` ends the connection of the peer that gRPC calls so. It is called on any
  // thread of gRPC's.
  void EndWith(std::function<void(const std::string& peer)> end);

  // A peer that gRPC calls so has connected. To be called before gRPC hears of it.
  void Connected(const std::string& peer);

  CallCounts counts() const;

 private:
  class Factory;
  class Watched;

  void End(const std::optional<EndConnection>& connection);

  mutable Mutex mutex_;
  CallBudget budget_ ABSL_GUARDED_BY(mutex_);
  CallCounts counts_ ABSL_GUARDED_BY(mutex_);
  std::function<void(const std::string&)> end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace patchserve
