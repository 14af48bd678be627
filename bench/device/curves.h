// How long batches take on a device, by their size: what was measured of it.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace patchserve {

// A time for each size: on straight lines between those that were measured, in proportion to the
// size beyond the largest, and that of the smallest below it.
class Curve {
 public:
  // Not empty.
  explicit Curve(std::map<int, absl::Duration> measured) : measured_(std::move(measured)) {}

  absl::Duration At(int size) const;

 private:
  std::map<int, absl::Duration> measured_;  // by size
};

struct ModelCurves {
  Curve run;                 // on a warm runner
  std::vector<Curve> first;  // what the first batch of a size costs beside; runners take turns
};

// `model`'s curves of a file such as curves.json, whose fields this documents. `run` names the one
// for `run`: "run_ms", "graph_ms" or "eager_ms".
// Errors: NOT_FOUND: no such file, model or curve. INVALID_ARGUMENT: the file is damaged.
absl::StatusOr<ModelCurves> ReadCurves(const std::string& file, const std::string& model,
                                       const std::string& run);

}  // namespace patchserve
