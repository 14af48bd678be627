// Which model each request asks for.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace patchserve {

// Not thread-safe.
class ModelMix {
 public:
  // `text` is "vit=3,convmixer=1" (three of four requests go to vit), or a name alone,
  // whose weight is 1. Empty: all go to the server's default model.
  // Errors: INVALID_ARGUMENT: no name, a weight that isn't a number above 0.
  static absl::StatusOr<ModelMix> Parse(absl::string_view text);

  // A model's name, picked by weight; empty: the default model.
  const std::string& Pick(std::mt19937_64& random) const;

 private:
  std::vector<std::string> names_;
  std::vector<double> up_to_;  // the sum of the weights up to and with this name
};

}  // namespace patchserve
