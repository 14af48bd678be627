// Chooses and starts the depthwise kernel.
#include "server/model/cuda/depthwise.h"

#include <cuda_runtime_api.h>

#include <utility>

#include "server/model/cuda/depthwise_instance.h"
#include "server/model/cuda/depthwise_plan.h"
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

// Whether the device is one that the library has code for.
bool HasCode() {
  const int major = Attribute(cudaDevAttrComputeCapabilityMajor);
#ifdef PATCHSERVE_CUDA_QUICK
  return major == 9;
#else
  return major == 8 || major == 9;
#endif
}

DepthwisePlan PlanFor(const DepthwiseShape& shape, int groups) {
  return PlanDepthwise(shape.kernel, groups, MostDepthwiseWarps(groups), shape.height, shape.width);
}

bool Fits(const DepthwisePlan& plan, int groups) {
  return plan.warps() <= MostDepthwiseWarps(groups) &&
         plan.bytes <= Attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
}

int64_t SlicesOf(const DepthwiseShape& shape, int groups) {
  return (shape.channels / kChannelGroup + groups - 1) / groups;
}

// Large blocks are faster where they occupy the device: on an H100 from one and a half for each
// multiprocessor on. Of 21 variants these two were never more than 6 % behind the best.
int GroupsFor(const DepthwiseShape& shape) {
  const int64_t blocks = SlicesOf(shape, kLargeBlockGroups) * shape.images;
  const bool occupied = 2 * blocks >= 3 * Attribute(cudaDevAttrMultiProcessorCount);
  const bool fits = Fits(PlanFor(shape, kLargeBlockGroups), kLargeBlockGroups);
  return occupied && fits ? kLargeBlockGroups : kSmallBlockGroups;
}

}  // namespace

bool TakesDepthwise(const DepthwiseShape& shape) {
  constexpr int64_t kMostImages = 65535, kMostSide = 64, kMostChannels = 1 << 17;
  return shape.kernel >= kLeastKernel && shape.kernel <= kLargestKernel && shape.images > 0 &&
         shape.images <= kMostImages && shape.height > 0 && shape.height <= kMostSide &&
         shape.width > 0 && shape.width <= kMostSide && shape.channels > 0 &&
         shape.channels <= kMostChannels && shape.channels % kChannelGroup == 0 && HasCode() &&
         Fits(PlanFor(shape, kSmallBlockGroups), kSmallBlockGroups);
}

int RunDepthwise(const Depthwise& depthwise, Stream stream) {
  const DepthwiseShape& shape = depthwise.shape;
  if (!TakesDepthwise(shape)) return cudaErrorInvalidValue;
  const int groups = GroupsFor(shape);
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
  // For the current device; more than 48 KiB have to be asked for.
  for (const auto& [attribute, value] :
       {std::pair(cudaFuncAttributeMaxDynamicSharedMemorySize, launch.plan.bytes),
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
