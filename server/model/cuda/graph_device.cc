#include "server/model/graph_device.h"

#include <ATen/Context.h>
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/core/Tensor.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/util/Exception.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <exception>
#include <new>

#include "server/base/mutex.h"
#include "server/model/cuda/card.h"
#include "server/model/cuda/launch.h"

// Of ATen/cuda/CUDAContextLight.h, which wants headers of all of CUDA's libraries.
namespace at::cuda {
TORCH_CUDA_CPP_API void clearCublasWorkspaces();
}

namespace patchserve::cuda {
namespace {

using c10::cuda::CUDAGuard;
using c10::cuda::CUDAStream;
using c10::cuda::CUDAStreamGuard;

// The rest is for what LibTorch doesn't count: contexts, cuBLAS, other processes.
constexpr double kShareOfFree = 0.9;

// Not one of LibTorch's pool: those are handed out again and again.
CUDAStream NewStream(c10::DeviceIndex index) {
  const CUDAGuard device(index);
  cudaStream_t stream = nullptr;
  C10_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return c10::cuda::getStreamFromExternal(stream, index);
}

struct CudaGraph : GraphDevice::Graph {
  at::cuda::CUDAGraph graph;
  c10::cuda::CUDAEvent gathered{cudaEventDisableTiming};
  c10::cuda::CUDAEvent done{cudaEventDisableTiming | cudaEventBlockingSync};
};

class CudaGraphDevice : public GraphDevice {
 public:
  CudaGraphDevice(int index, int64_t memory)
      : index_(static_cast<c10::DeviceIndex>(index)),
        recording_(NewStream(index_)),
        gathering_(NewStream(index_)),
        running_(NewStream(index_)),
        pool_(at::cuda::graph_pool_handle()) {
    const CUDAGuard device(index_);
    // LibTorch's own waiting spins otherwise, a core a runner.
    C10_CUDA_CHECK(cudaSetDeviceFlags(cudaDeviceScheduleBlockingSync));
    size_t free = 0, total = 0;
    C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
    const double most = memory > 0 ? static_cast<double>(memory) : kShareOfFree * free;
    c10::cuda::CUDACachingAllocator::setMemoryFraction(std::min(most / total, 1.0), index_);
    // One use of the pool is held for good: once the last of its graphs was destroyed, LibTorch
    // would refuse to record into it.
    c10::cuda::CUDACachingAllocator::createOrIncrefPool(index_, pool_);
    at::getHostAllocator(at::kCUDA)->begin_allocate_to_pool(pool_,
                                                            [](c10::Stream) { return false; });
    at::getHostAllocator(at::kCUDA)->end_allocate_to_pool(pool_);
  }

  std::shared_ptr<void> HostMemory(size_t bytes) override {
    try {
      at::DataPtr memory = at::getHostAllocator(at::kCUDA)->allocate(bytes);
      void* const first = memory.get();
      // LibTorch would keep it pinned for the next of its size.
      const auto give_back = [index = index_,
                              memory = std::make_shared<at::DataPtr>(std::move(memory))](void*) {
        try {
          const CUDAGuard device(index);
          memory->clear();
          at::getHostAllocator(at::kCUDA)->empty_cache();
        } catch (const c10::Error&) {  // the device is lost
        }
      };
      return {first, give_back};
    } catch (const c10::Error&) {
      throw std::bad_alloc();
    }
  }

  std::unique_ptr<Graph> Record(const std::function<void()>& work) override {
    Lock lock(one_recording_);
    const CUDAStreamGuard stream(recording_);
    work();
    C10_CUDA_CHECK(cudaStreamSynchronize(recording_));
    auto graph = std::make_unique<CudaGraph>();
    // LibTorch keeps cuBLAS's memory by stream. Graphs are to have theirs in their pool, and to
    // share it with nothing that runs beside them.
    at::cuda::clearCublasWorkspaces();
    std::exception_ptr failed;
    try {
      // Other threads serve meanwhile, and may allocate.
      graph->graph.capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
      work();
    } catch (...) {
      failed = std::current_exception();
    }
    try {
      graph->graph.capture_end();
    } catch (...) {
      if (failed == nullptr) failed = std::current_exception();
      LeavePool();
    }
    at::cuda::clearCublasWorkspaces();
    if (failed != nullptr) std::rethrow_exception(failed);
    return graph;
  }

  void CopyOut(const at::Tensor& from, float* to) override {
    C10_CUDA_CHECK(cudaMemcpyAsync(to, from.const_data_ptr(), from.nbytes(), cudaMemcpyDeviceToHost,
                                   c10::cuda::getCurrentCUDAStream(index_)));
  }

  void Run(const std::vector<Gather>& gathers, Graph& recorded) override {
    auto& graph = static_cast<CudaGraph&>(recorded);
    {
      Lock lock(launching_);  // else one batch might wait for the other's graph, too
      const CUDAStreamGuard stream(running_);
      for (const Gather& gather : gathers) {
        C10_CUDA_CHECK(static_cast<cudaError_t>(RunGather(gather, gathering_.stream())));
      }
      graph.gathered.record(gathering_);
      graph.gathered.block(running_);
      graph.graph.replay();
      graph.done.record(running_);
    }
    graph.done.synchronize();
  }

  int64_t MemoryTaken() override {
    constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    return c10::cuda::CUDACachingAllocator::getDeviceStats(index_).reserved_bytes[kAll].current;
  }

 private:
  // Where a recording was broken off, capture_end() throws before it does this: LibTorch would take
  // the pool for one that is still recorded into, and refuse the next recording.
  void LeavePool() {
    try {
      c10::cuda::CUDACachingAllocator::endAllocateToPool(index_, pool_);
    } catch (const c10::Error&) {  // it was left already
    }
    try {
      at::getHostAllocator(at::kCUDA)->end_allocate_to_pool(pool_);
    } catch (const c10::Error&) {
    }
  }

  const c10::DeviceIndex index_;
  // All is recorded on one stream, since LibTorch uses memory again on its stream only. Graphs run
  // on another one, which thus nobody's recording holds up.
  const CUDAStream recording_, gathering_, running_;
  const c10::MempoolId_t pool_;
  Mutex one_recording_, launching_;
};

}  // namespace

std::unique_ptr<GraphDevice> OpenGraphDevice(int index, int64_t memory) {
  at::globalContext().lazyInitDevice(at::kCUDA);
  int major = 0;
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index));
  TORCH_CHECK(HasCode(major), "there are no kernels of ours for cards of compute capability ",
              major, ".x");
  return std::make_unique<CudaGraphDevice>(index, memory);
}

}  // namespace patchserve::cuda
