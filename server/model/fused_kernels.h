// Our kernels for GPUs (cuda/kernels.h), for tensors, and which of them to use for what.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "ATen/core/Tensor.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "server/base/mutex.h"
#include "server/model/cuda/kernels.h"
#include "server/model/layers.h"

namespace patchserve {

// A linear layer of x and what follows it, as cuda/gemm.h says. All on one device.
struct FusedLinear {
  cuda::GemmThen then = cuda::GemmThen::kNothing;
  Activation activation = Activation::kGelu;
  // bfloat16, contiguous.
  at::Tensor x;              // [m, in]
  at::Tensor weight;         // [out, in]
  at::Tensor residual = {};  // [m, out]
  at::Tensor bias = {};      // [out], or undefined
  BatchNorm norm = {};
  // The last two in float32.
  at::Tensor exact_bias = {};
  BatchNorm exact_norm = {};
};

// The same in steps of ATen, in the type of x, without the two that are float32.
at::Tensor InSteps(const FusedLinear& layer);

// The spatial half of a ConvMixer layer, as cuda/depthwise.h says.
struct FusedDepthwise {
  Activation activation = Activation::kGelu;
  int64_t kernel = 0;
  at::Tensor x;            // [N, H, W, C], bfloat16 or float16
  at::Tensor weight;       // as PackDepthwiseWeights makes it, for the type of x
  at::Tensor bias, scale;  // [C], float32
};

// Thread-safe.
class FusedKernels {
 public:
  // How long `run` takes on the current stream of the device, in any unit.
  using Stopwatch = std::function<double(const at::Device& device, absl::FunctionRef<void()> run)>;

  // By events on the stream, a handful of runs after a first one.
  static double TimeOnDevice(const at::Device& device, absl::FunctionRef<void()> run);

  // `kernels` must outlive this object.
  explicit FusedKernels(const cuda::Kernels& kernels, Stopwatch time = TimeOnDevice)
      : kernels_(kernels), time_(std::move(time)) {}

  // Whether there is a kernel for such a layer on the weight's device.
  bool Takes(cuda::GemmThen then, Activation activation, const at::Tensor& weight) const;

  // -> [m, out], by the fastest of the kernels and InSteps. They are timed when a shape comes for
  // the first time, and the kernels' results looked at: one that isn't near the float32 result for
  // the first and the last rows is left out with a warning. While a CUDA graph is captured, nothing
  // is timed: what comes for the first time there is done in steps.
  // Throws c10::Error: a kernel wasn't started.
  at::Tensor Linear(const FusedLinear& layer) const;

  // Whether there is a kernel for such a layer of small images on the target.
  bool TakesDepthwise(const at::TensorOptions& target, int64_t channels, int64_t kernel) const;

  // -> as x; nothing where there is no kernel for it. Throws as Linear does.
  std::optional<at::Tensor> Depthwise(const FusedDepthwise& layer) const;

  // The norm of x's rows -> as x; nothing where there is no kernel for it. Throws as Linear does.
  std::optional<at::Tensor> Normalized(const Norm& norm, const at::Tensor& x) const;

 private:
  using Key = std::tuple<int, cuda::GemmThen, Activation, int64_t, int64_t, int64_t>;
  static constexpr int kInSteps = -1;

  int FastestTile(const FusedLinear& layer) const;
  std::optional<int> Known(const Key& key) const;
  int Time(const FusedLinear& layer, const cuda::GemmShape& shape) const;
  int Start(const FusedLinear& layer, int tile, at::Tensor& result) const;
  void Check(const at::Device& device, int error) const;

  const cuda::Kernels& kernels_;
  const Stopwatch time_;
  // Held while a shape is timed, so that two runners don't disturb each other's figures.
  mutable Mutex timing_;
  mutable Mutex mutex_;  // never held while a kernel is started
  mutable std::map<Key, int> fastest_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace patchserve
