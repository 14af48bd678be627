// Which photo goes to which model over which connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/classifier_client.h"
#include "client/loadgen/model_mix.h"
#include "server/base/mutex.h"

namespace patchserve {

// Thread-safe. One seed gives one sequence of photos and models.
class Traffic {
 public:
  // Neither `connections` nor `photos` is empty. Connections take turns; photos are
  // picked at random, each as likely as the others. With `embedding` each request asks for one.
  Traffic(std::vector<ClassifyFunction> connections, std::vector<std::string> photos,
          ModelMix models, bool embedding, uint64_t seed);

  // Sends the next request. `done` is called once, as the connection's function does.
  void Send(absl::Duration deadline, absl::AnyInvocable<void(absl::Status) &&> done);

 private:
  const std::vector<ClassifyFunction> connections_;
  const std::vector<std::string> photos_;
  const ModelMix models_;
  const bool embedding_;
  Mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;  // connection
};

}  // namespace patchserve
