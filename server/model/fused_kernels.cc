#include "server/model/fused_kernels.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "server/base/status.h"
#include "server/model/cuda/library.h"
#include "server/model/engine.h"

namespace patchserve {
namespace {

constexpr int64_t kCheckedRows = 1024;  // at both ends

c10::Stream StreamOf(const at::Device& device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

// None on a CPU, where tests run functions of their own.
cuda::Stream NativeStreamOf(const at::Device& device) {
  return device.is_cpu() ? nullptr : StreamOf(device).native_handle();
}

cuda::GemmShape ShapeOf(const FusedLinear& layer) {
  return {.then = layer.then,
          .activation = layer.activation,
          .m = layer.x.size(0),
          .n = layer.weight.size(0),
          .k = layer.weight.size(1)};
}

std::optional<cuda::HalfType> HalfTypeOf(at::ScalarType type) {
  if (type == at::kBFloat16) return cuda::HalfType::kBFloat16;
  if (type == at::kHalf) return cuda::HalfType::kFloat16;
  return std::nullopt;
}

const float* Floats(const at::Tensor& numbers) {
  return numbers.defined() ? numbers.const_data_ptr<float>() : nullptr;
}

// Rounding to bfloat16 moves a number by 2^-9 of itself at most. Where a number is another
// altogether, it is off by more than this part of the largest one.
bool AreNear(const at::Tensor& got, const at::Tensor& exact) {
  constexpr float kTolerance = 1.0f / 64;
  const auto [low, high] = at::aminmax(exact);
  const float largest = std::max(std::fabs(low.item<float>()), std::fabs(high.item<float>()));
  const float error = (got.to(at::kFloat) - exact).abs_().max().item<float>();
  return error <= kTolerance * largest;  // not where one of them is no number
}

// Rows of what InSteps gives, in float32.
at::Tensor Exact(const FusedLinear& layer, int64_t first, int64_t count) {
  const auto rows = [&](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.narrow(0, first, count).to(at::kFloat) : tensor;
  };
  return InSteps({.then = layer.then,
                  .activation = layer.activation,
                  .x = rows(layer.x),
                  .weight = layer.weight.to(at::kFloat),
                  .residual = rows(layer.residual),
                  .bias = layer.exact_bias,
                  .norm = layer.exact_norm});
}

}  // namespace

at::Tensor InSteps(const FusedLinear& layer) {
  at::Tensor y = at::linear(layer.x, layer.weight, layer.bias);
  switch (layer.then) {
    case cuda::GemmThen::kNothing:
      return y;
    case cuda::GemmThen::kResidual:
      return y.add_(layer.residual);
    case cuda::GemmThen::kActivation:
    case cuda::GemmThen::kActivationNorm:
      Activate(layer.activation, y);
  }
  return layer.norm(y);
}

absl::StatusOr<const FusedKernels*> FindFusedKernels() {
  static const auto kernels = []() -> absl::StatusOr<const FusedKernels*> {
    ASSIGN_OR_RETURN(const cuda::Kernels* const table, cuda::LoadKernels());
    return new FusedKernels(*table);
  }();
  return kernels;
}

double FusedKernels::TimeOnDevice(const at::Device& device, absl::FunctionRef<void()> run) {
  constexpr int kRuns = 5;
  const c10::Stream stream = StreamOf(device);
  c10::Event start(device.type(), c10::EventFlag::BACKEND_DEFAULT);
  c10::Event end(device.type(), c10::EventFlag::BACKEND_DEFAULT);
  run();
  start.record(stream);
  for (int i = 0; i < kRuns; ++i) run();
  end.record(stream);
  end.synchronize();
  return start.elapsedTime(end);
}

bool FusedKernels::Takes(cuda::GemmThen then, Activation activation,
                         const at::Tensor& weight) const {
  if (weight.scalar_type() != at::kBFloat16) return false;
  const c10::DeviceGuard guard(weight.device());
  return kernels_.gemm_tiles({.then = then,
                              .activation = activation,
                              .m = 1,
                              .n = weight.size(0),
                              .k = weight.size(1)}) > 0;
}

at::Tensor FusedKernels::Linear(const FusedLinear& layer) const {
  const at::Device device = layer.weight.device();
  const c10::DeviceGuard guard(device);
  const int tile = FastestTile(layer);
  if (tile == kInSteps) return InSteps(layer);
  at::Tensor result = at::empty({layer.x.size(0), layer.weight.size(0)}, layer.x.options());
  Check(device, Start(layer, tile, result));
  return result;
}

std::optional<int> FusedKernels::Known(const Key& key) const {
  const Lock lock(mutex_);
  const auto found = fastest_.find(key);
  return found == fastest_.end() ? std::nullopt : std::optional(found->second);
}

int FusedKernels::FastestTile(const FusedLinear& layer) const {
  const at::Device device = layer.weight.device();
  const cuda::GemmShape shape = ShapeOf(layer);
  const Key key = {device.index(), shape.then, shape.activation, shape.m, shape.n, shape.k};
  if (const auto known = Known(key)) return *known;
  if (kernels_.is_capturing(NativeStreamOf(device))) return kInSteps;
  const Lock one_at_a_time(timing_);
  if (const auto known = Known(key)) return *known;  // by now
  const int fastest = Time(layer, shape);
  const Lock lock(mutex_);
  fastest_.emplace(key, fastest);
  return fastest;
}

int FusedKernels::Time(const FusedLinear& layer, const cuda::GemmShape& shape) const {
  const at::Device device = layer.weight.device();
  int fastest = kInSteps;
  double least = time_(device, [&] { InSteps(layer); });
  at::Tensor result = at::empty({shape.m, shape.n}, layer.x.options());
  const int64_t rows = std::min(shape.m, kCheckedRows), rest = shape.m - rows;
  const at::Tensor first = Exact(layer, 0, rows), last = Exact(layer, rest, rows);
  for (int tile = 0; tile < kernels_.gemm_tiles(shape); ++tile) {
    const int error = Start(layer, tile, result);
    if (error != 0 || !AreNear(result.narrow(0, 0, rows), first) ||
        !AreNear(result.narrow(0, rest, rows), last)) {
      TORCH_WARN("GEMM kernel ", tile, " isn't used for ", shape.m, "x", shape.n, "x", shape.k,
                 ": ", error == 0 ? "its results are wrong" : kernels_.error_text(error));
      continue;
    }
    const double time = time_(device, [&] { Start(layer, tile, result); });
    if (time < least) {
      least = time;
      fastest = tile;
    }
  }
  return fastest;
}

int FusedKernels::Start(const FusedLinear& layer, int tile, at::Tensor& result) const {
  return kernels_.run_gemm(
      {.shape = ShapeOf(layer),
       .a = layer.x.const_data_ptr(),
       .b = layer.weight.const_data_ptr(),
       .residual = layer.residual.defined() ? layer.residual.const_data_ptr() : nullptr,
       .d = result.mutable_data_ptr(),
       .bias = Floats(layer.exact_bias),
       .scale = Floats(layer.exact_norm.scale),
       .shift = Floats(layer.exact_norm.shift)},
      tile, NativeStreamOf(layer.weight.device()));
}

bool FusedKernels::TakesDepthwise(const at::TensorOptions& target, int64_t channels,
                                  int64_t kernel) const {
  const c10::DeviceGuard guard(target.device());
  const std::optional<cuda::HalfType> type = HalfTypeOf(target.dtype().toScalarType());
  return type && kernels_.takes_depthwise({.type = *type,
                                           .images = 1,
                                           .height = 1,
                                           .width = 1,
                                           .channels = channels,
                                           .kernel = kernel});
}

std::optional<at::Tensor> FusedKernels::Depthwise(const FusedDepthwise& layer) const {
  const at::Device device = layer.x.device();
  const c10::DeviceGuard guard(device);
  const at::Tensor x = layer.x.contiguous();
  const cuda::DepthwiseShape shape = {.type = HalfTypeOf(x.scalar_type()).value(),
                                      .activation = layer.activation,
                                      .images = x.size(0),
                                      .height = x.size(1),
                                      .width = x.size(2),
                                      .channels = x.size(3),
                                      .kernel = layer.kernel};
  if (!kernels_.takes_depthwise(shape)) return std::nullopt;
  at::Tensor result = at::empty_like(x);
  Check(device, kernels_.run_depthwise(
                    {.shape = shape,
                     .in = x.const_data_ptr(),
                     .out = result.mutable_data_ptr(),
                     .weight = static_cast<const uint32_t*>(layer.weight.const_data_ptr()),
                     .bias = layer.bias.const_data_ptr<float>(),
                     .scale = layer.scale.const_data_ptr<float>()},
                    NativeStreamOf(device)));
  return result;
}

std::optional<at::Tensor> FusedKernels::Normalized(const Norm& norm, const at::Tensor& x) const {
  const at::Device device = x.device();
  const c10::DeviceGuard guard(device);
  const std::optional<cuda::HalfType> type = HalfTypeOf(x.scalar_type());
  if (!type || !x.is_contiguous()) return std::nullopt;
  const int64_t dim = norm.weight.numel();
  const cuda::RowNormShape shape = {.type = *type, .rows = x.numel() / dim, .dim = dim};
  if (!kernels_.takes_norm(shape)) return std::nullopt;
  at::Tensor result = at::empty_like(x);
  Check(device,
        kernels_.run_norm({.shape = shape,
                           .in = x.const_data_ptr(),
                           .out = result.mutable_data_ptr(),
                           .weight = norm.weight.const_data_ptr(),
                           .bias = norm.bias.defined() ? norm.bias.const_data_ptr() : nullptr,
                           .epsilon = static_cast<float>(norm.epsilon)},
                          NativeStreamOf(device)));
  return result;
}

void FusedKernels::Check(const at::Device& device, int error) const {
  if (error == 0) return;
  // Where the device is lost, LibTorch says so itself at its next call.
  if (!device.is_cpu()) c10::Event(device.type()).record(StreamOf(device));
  TORCH_CHECK(false, "a kernel wasn't started: ", kernels_.error_text(error));
}

}  // namespace patchserve
