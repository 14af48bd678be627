#include "tests/model/fake_graph_device.h"

#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "tests/model/fake_gather.h"

namespace patchserve {
namespace {

struct RecordedCalls : GraphDevice::Graph {
  RecordedCalls(std::function<void()> work, std::atomic<int>& count)
      : work(std::move(work)), count(count) {
    ++count;
  }
  ~RecordedCalls() override { --count; }

  const std::function<void()> work;
  std::atomic<int>& count;
  std::atomic<bool> running = false;
};

}  // namespace

std::shared_ptr<void> FakeGraphDevice::HostMemory(size_t bytes) {
  step("allocate");
  constexpr std::align_val_t kAlignment{256};
  char* const memory = static_cast<char*>(::operator new(bytes, kAlignment));
  std::memset(memory, 0xff, bytes);  // NaN
  std::lock_guard lock(mutex_);
  memory_.insert({memory, bytes});
  return {memory, [this, memory, bytes](void*) {
            std::lock_guard lock(mutex_);
            memory_.erase({memory, bytes});
            ::operator delete(memory, kAlignment);
          }};
}

std::unique_ptr<GraphDevice::Graph> FakeGraphDevice::Record(const std::function<void()>& work) {
  step("first run");
  work();
  step("record");
  return std::make_unique<RecordedCalls>(work, recorded);
}

void FakeGraphDevice::CopyOut(const at::Tensor& from, float* to) {
  step("copy out");
  if (!from.is_contiguous() || from.scalar_type() != at::kFloat) std::abort();
  CheckReadable(to);
  std::memcpy(to, from.const_data_ptr(), from.nbytes());
}

void FakeGraphDevice::Run(const std::vector<cuda::Gather>& gathers, Graph& graph) {
  auto& calls = static_cast<RecordedCalls&>(graph);
  if (calls.running.exchange(true)) std::abort();  // in two calls at once
  ++ran;
  at_once = std::max<int>(at_once, ++in_flight);
  const auto run = [&] {
    step("gather");
    for (const cuda::Gather& gather : gathers) {
      for (int i = 0; i < gather.count; ++i) CheckReadable(gather.images[i]);
      GatherOnCpu(gather);
    }
    std::lock_guard lock(running_);
    step("launch");
    const c10::InferenceMode no_autograd;
    calls.work();
  };
  try {
    run();
  } catch (...) {
    --in_flight;
    calls.running = false;
    throw;
  }
  --in_flight;
  calls.running = false;
}

void FakeGraphDevice::CheckReadable(const void* image) const {
  const char* const at = static_cast<const char*>(image);
  std::lock_guard lock(mutex_);
  const bool found = std::any_of(memory_.begin(), memory_.end(), [&](const auto& memory) {
    return at >= memory.first && at < memory.first + memory.second;
  });
  if (!found) std::abort();  // as a device would, for good
}

}  // namespace patchserve
