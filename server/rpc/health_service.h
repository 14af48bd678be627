// grpc.health.v1.Health, for the server and for each model. gRPC's own
// implementation says SERVING from the start, before anybody can tell it better.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "server/base/mutex.h"

namespace patchserve {

class HealthWatch;

// Thread-safe. A name that was never set is unknown: NOT_FOUND to Check,
// SERVICE_UNKNOWN to Watch.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  using Response = grpc::health::v1::HealthCheckResponse;

  // `refused` is called for each message that isn't a request, which is answered INVALID_ARGUMENT.
  explicit HealthService(const std::function<void()>& refused = [] {});

  void Set(const std::string& name, bool serving);
  // Nothing is served from now on, whatever is Set later; only `except`, if it isn't
  // empty, stays as it is.
  void EndServing(const std::string& except);

  // What Check says; false for an unknown name.
  bool Serving(const std::string& name) const;

  // Ends the Watch calls, present and future, with UNAVAILABLE: they would outlive
  // the server's shutdown.
  void EndWatches();

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  Response* response) override;
  grpc::ServerWriteReactor<Response>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  friend class HealthWatch;
  Response::ServingStatus StatusOf(const std::string& name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Publish(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  std::map<std::string, bool> serving_ ABSL_GUARDED_BY(mutex_);
  std::set<HealthWatch*> watches_ ABSL_GUARDED_BY(mutex_);
  bool serving_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool watches_ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace patchserve
