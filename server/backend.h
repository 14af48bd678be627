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
  // Lets the batches of the runner whose thread calls it use so many threads, where that costs no
  // more than it gains. Null: they have one each.
  std::function<void(int threads)> use_threads;
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
