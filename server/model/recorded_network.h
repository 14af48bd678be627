// A network as graphs, one a batch size: a batch costs the host one launch in place of hundreds.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "absl/types/span.h"
#include "server/base/mutex.h"
#include "server/model/graph_device.h"
#include "server/model/model.h"
#include "server/model/network.h"

namespace patchserve {

// Thread-safe. Errors are exceptions, as LibTorch's.
class RecordedNetwork {
 public:
  // More batches than that wait: one runs, and the images of the next are read meanwhile.
  static constexpr int kInFlight = 2;

  // `target`: the network's device and precision. `device` must outlive this.
  RecordedNetwork(GraphDevice& device, Network network, const ModelDescription& description,
                  const at::TensorOptions& target, int max_batch);

  // Records the network for batches of that size, if it isn't; 1 <= bucket <= max_batch. Takes as
  // long as LibTorch's first use of the size, 0.1 s and more. After an error nothing is recorded,
  // and it may be called again.
  void Record(int bucket);

  // As ForwardFunction; `bucket` is recorded, and the images lie in the device's HostMemory. Rows
  // that no image fills hold what an earlier batch left there.
  BatchOutput Run(absl::Span<const ModelInput> images, int bucket, bool embeddings);

 private:
  // Of one batch in flight: the memory that its graphs read and write.
  struct Slot {
    at::Tensor input;                          // [max_batch, H, W, 3] on the device
    std::shared_ptr<float> logits, embedding;  // [max_batch, ...] on the host
    std::map<int, std::unique_ptr<GraphDevice::Graph>> graphs;  // by bucket
  };

  // Waits for slots that are free, as many as `count`, and gives them back when it goes.
  class Taken;

  Slot MakeSlot() const;
  std::unique_ptr<GraphDevice::Graph> Record(Slot& slot, int bucket);
  std::vector<cuda::Gather> GatherInto(const Slot& slot, absl::Span<const ModelInput> images) const;

  GraphDevice& device_;
  const Network network_;
  const int64_t height_, width_, classes_, embedding_size_, max_batch_;
  const at::TensorOptions target_;
  const at::Tensor table_;  // [256, 3], as cuda::Gather's, on the device

  Mutex recording_;  // held for a whole Record
  Mutex mutex_;
  std::condition_variable given_back_;
  std::set<int> recorded_ ABSL_GUARDED_BY(mutex_);  // buckets
  std::vector<Slot> slots_;  // kInFlight; each is used by the run that took it
  std::vector<Slot*> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace patchserve
