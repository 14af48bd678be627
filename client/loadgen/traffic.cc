#include "client/loadgen/traffic.h"

#include <utility>

namespace patchserve {

Traffic::Traffic(std::vector<ClassifyFunction> connections, std::vector<std::string> photos,
                 ModelMix models, bool embedding, uint64_t seed)
    : connections_(std::move(connections)),
      photos_(std::move(photos)),
      models_(std::move(models)),
      embedding_(embedding),
      random_(seed) {}

void Traffic::Send(absl::Duration deadline, absl::AnyInvocable<void(absl::Status) &&> done) {
  ClassifyOptions options = {.deadline = deadline, .embedding = embedding_};
  size_t photo, connection;
  {
    Lock lock(mutex_);
    photo = random_() % photos_.size();
    options.model = models_.Pick(random_);
    connection = next_++ % connections_.size();
  }
  connections_[connection](
      photos_[photo], options,
      [done = std::move(done)](const ClassifierClient::Answer& answer) mutable {
        std::move(done)(answer.status());
      });
}

}  // namespace patchserve
