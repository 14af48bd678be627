// grpc.reflection: which services there are, and the files that describe them, for clients such as
// grpcurl. gRPC's own keeps a thread a call: 60,000 that were left open took 2 GB.
#pragma once

#include <string>
#include <vector>

#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/service_type.h"
#include "server/rpc/open_calls.h"

namespace patchserve {

// One version of the protocol: v1 and v1alpha differ in their names alone. Thread-safe.
class ReflectionService final : public grpc::Service {
 public:
  // `version`: "v1" or "v1alpha". `services`: the full names of those that clients are told of.
  ReflectionService(const std::string& version, std::vector<std::string> services,
                    OpenCalls& open_calls);

 private:
  const std::string method_;  // gRPC points to it
};

}  // namespace patchserve
