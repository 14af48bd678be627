// What runs the networks: the one part of the server that a simulated device replaces.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "server/base/block_pool.h"
#include "server/config/config.h"
#include "server/model/model.h"

namespace patchserve {

struct LoadedModel {
  ModelDescription description;
  ForwardFunction forward;
};

struct Backend {
  std::string device;  // "cpu" or "cuda:N", as the metrics name it
  // Runners share one device's time, as on a GPU; else each has a core of its own.
  bool runners_share = false;
  // Called once in each thread that runs batches, before its first.
  std::function<void(int runner)> prepare_runner = [](int) {};
  // Runs a batch that is alone on the device on 2, 4 ... cores, at most cores_of_lone, and returns
  // when it is done. 1: there is no more than that, and run_alone may be null.
  int cores_of_lone = 1;
  std::function<void(int cores, const std::function<void()>& batch)> run_alone;
  // Where decoding writes what the device reads. The models' forward takes only images that lie
  // there.
  Allocate allocate_input = AllocateOnHeap;
  // Bytes of the device's own memory that are taken; null where it has none.
  std::function<int64_t()> memory_taken;
  // Reads the checkpoint in `settings.folder`. Takes seconds. Called on any thread, by one at
  // a time. Its errors name the file.
  std::function<absl::StatusOr<LoadedModel>(const ModelSettings& settings)> load;
};

}  // namespace patchserve
