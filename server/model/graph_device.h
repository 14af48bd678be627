// What a GPU does beside operators: it reads images where decoding wrote them, and runs in one go
// what was recorded. cuda/graph_device.cc is the real one; tests have one that computes on the CPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "server/model/cuda/gather.h"

namespace at {
class Tensor;  // torch_backend.cc includes this without LibTorch
}

namespace patchserve {

// Thread-safe. Errors are exceptions, as LibTorch's (exceptions.h).
class GraphDevice {
 public:
  // Recorded work. It holds the addresses that it was recorded with.
  class Graph {
   public:
    virtual ~Graph() = default;
  };

  virtual ~GraphDevice() = default;

  // Memory of the host that the device can read and write. Throws std::bad_alloc.
  virtual std::shared_ptr<void> HostMemory(size_t bytes) = 0;

  // Calls `work` twice on this thread, with a stream of its own as LibTorch's current one: first to
  // run, since what a kernel or a library needs at its first use can't be recorded, and then to be
  // recorded. What `work` takes of the device's memory and gives back the graphs share, whatever
  // their model: they never run at once.
  virtual std::unique_ptr<Graph> Record(const std::function<void()>& work) = 0;

  // For `work`: copies a contiguous tensor of float32 to HostMemory.
  virtual void CopyOut(const at::Tensor& from, float* to) = 0;

  // Gathers, then runs the graph, and blocks without spinning until that is done. One graph runs
  // after the other, in the order of calls; what a call gathers is read while another's graph runs.
  // A graph may be in one call at a time.
  virtual void Run(const std::vector<cuda::Gather>& gathers, Graph& graph) = 0;

  // Bytes of the device's memory that LibTorch has for weights, batches and graphs.
  virtual int64_t MemoryTaken() = 0;
};

}  // namespace patchserve
