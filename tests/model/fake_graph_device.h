// A graph device that computes on the CPU: what was recorded is called again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "server/model/graph_device.h"

namespace patchserve {

class FakeGraphDevice : public GraphDevice {
 public:
  // Called at each step, by its name: "allocate", "first run", "record", "gather", "launch", "copy
  // out". What it throws is what the step fails with.
  std::function<void(const std::string&)> step = [](const std::string&) {};
  std::atomic<int> recorded = 0;   // that exist
  std::atomic<int> ran = 0;        // calls of Run
  std::atomic<int> in_flight = 0;  // of them, now
  std::atomic<int> at_once = 0;    // the most graphs that ran at once

  std::shared_ptr<void> HostMemory(size_t bytes) override;
  std::unique_ptr<Graph> Record(const std::function<void()>& work) override;
  void CopyOut(const at::Tensor& from, float* to) override;
  void Run(const std::vector<cuda::Gather>& gathers, Graph& graph) override;
  int64_t MemoryTaken() override { return 0; }

  // An image that the device can read.
  template <typename Value>
  std::shared_ptr<Value> Image(const std::vector<Value>& values) {
    const auto image = std::static_pointer_cast<Value>(HostMemory(values.size() * sizeof(Value)));
    std::copy(values.begin(), values.end(), image.get());
    return image;
  }

 private:
  void CheckReadable(const void* image) const;

  mutable std::mutex mutex_;
  std::set<std::pair<const char*, size_t>> memory_;  // begin and bytes; guarded by mutex_
  std::mutex running_;                               // one graph after the other
};

}  // namespace patchserve
