// Starts the depthwise kernel.
#include "server/model/cuda/depthwise.h"

#include <cuda_runtime_api.h>

#include <utility>

#include "server/model/cuda/card.h"
#include "server/model/cuda/depthwise_choice.h"
#include "server/model/cuda/launch.h"

namespace patchserve::cuda {
namespace {

using Function = const void* (*)(HalfType, Curve);

template <int kGroups, int... kOffsets>
Function FunctionOf(int64_t kernel, std::integer_sequence<int, kOffsets...>) {
  constexpr Function kFunctions[] = {DepthwiseFunction<kLeastKernel + kOffsets, kGroups>...};
  return kFunctions[kernel - kLeastKernel];
}

int Attribute(cudaDeviceAttr attribute) {
  int device = 0, value = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return 0;
  if (cudaDeviceGetAttribute(&value, attribute, device) != cudaSuccess) return 0;
  return value;
}

int SharedBytes() { return Attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin); }

int GroupsFor(const DepthwiseShape& shape) {
  if (!HasCode(Attribute(cudaDevAttrComputeCapabilityMajor))) return 0;
  return ChooseDepthwiseGroups(shape, {.multiprocessors = Attribute(cudaDevAttrMultiProcessorCount),
                                       .shared_bytes = SharedBytes()});
}

}  // namespace

bool TakesDepthwise(const DepthwiseShape& shape) { return GroupsFor(shape) > 0; }

int RunDepthwise(const Depthwise& depthwise, Stream stream) {
  const DepthwiseShape& shape = depthwise.shape;
  const int groups = GroupsFor(shape);
  if (groups == 0) return cudaErrorInvalidValue;
  const ActivationCurve curve = CurveOf(shape.activation);
  DepthwiseLaunch launch = {.in = static_cast<const unsigned char*>(depthwise.in),
                            .out = static_cast<unsigned char*>(depthwise.out),
                            .weight = reinterpret_cast<const unsigned char*>(depthwise.weight),
                            .bias = depthwise.bias,
                            .scale = depthwise.scale,
                            .height = static_cast<int>(shape.height),
                            .width = static_cast<int>(shape.width),
                            .channels = static_cast<int>(shape.channels),
                            .linear = curve.linear,
                            .cubic = curve.cubic,
                            .plan = PlanFor(shape, groups)};

  constexpr std::make_integer_sequence<int, kLargestKernel - kLeastKernel + 1> kKernels;
  const Function of = groups == kLargeBlockGroups
                          ? FunctionOf<kLargeBlockGroups>(shape.kernel, kKernels)
                          : FunctionOf<kSmallBlockGroups>(shape.kernel, kKernels);
  const void* const function = of(shape.type, curve.curve);
  // For the current device, to the most that it can be: other threads may start other shapes.
  for (const auto& [attribute, value] :
       {std::pair(cudaFuncAttributeMaxDynamicSharedMemorySize, SharedBytes()),
        std::pair(cudaFuncAttributePreferredSharedMemoryCarveout,
                  static_cast<int>(cudaSharedmemCarveoutMaxShared))}) {
    const cudaError_t error = cudaFuncSetAttribute(function, attribute, value);
    if (error != cudaSuccess) return error;
  }
  const dim3 grid(SlicesOf(shape, groups), shape.images);
  void* arguments[] = {&launch};
  return cudaLaunchKernel(function, grid, dim3(launch.plan.warps() * 32), arguments,
                          launch.plan.bytes, static_cast<cudaStream_t>(stream));
}

}  // namespace patchserve::cuda
