// What a benchmark calls a model.
#pragma once

#include <stdexcept>
#include <string>

#include "tests/model/random_checkpoint.h"
#include "tests/temporary_folder.h"

namespace patchserve {

// A checkpoint folder where the name has a slash, else an architecture that is given
// random weights in a folder which goes with this.
class Checkpoint {
 public:
  // Throws std::runtime_error: no architecture of that name.
  explicit Checkpoint(const std::string& name) : folder_(name) {
    if (name.find('/') != std::string::npos) return;
    folder_ = temporary_.path(name);
    const auto spec = NamedCheckpoint(name);
    const absl::Status status =
        spec.ok() ? WriteRandomCheckpoint(folder_, *spec, /*seed=*/1) : spec.status();
    if (!status.ok()) throw std::runtime_error(status.ToString());
  }

  const std::string& folder() const { return folder_; }

 private:
  TemporaryFolder temporary_;
  std::string folder_;
};

}  // namespace patchserve
