// A folder of empty checkpoints that goes away with the test.
#pragma once

#include <string>

#include "tests/temporary_folder.h"

namespace patchserve {

class ModelTree : public TemporaryFolder {
 public:
  // Returns the folder, now with a config.json.
  std::string Add(const std::string& name) const {
    Write(name + "/config.json", "{}");
    return path(name);
  }
};

}  // namespace patchserve
