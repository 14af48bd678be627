#include "server/model/cuda/depthwise_instance.h"
#include "server/model/cuda/depthwise_kernel.h"

namespace patchserve::cuda {
namespace {

constexpr int kGroups = DEPTHWISE_GROUPS;
// With 3 large blocks on a multiprocessor a thread has 168 registers, with 16 warps 128.
constexpr int kBlocks = kGroups == kLargeBlockGroups ? 3 : 1;

template <typename T, Curve kCurve>
__global__ void __launch_bounds__(32 * MostDepthwiseWarps(kGroups), kBlocks)
    RunDepthwiseKernel(const __grid_constant__ DepthwiseLaunch launch) {
  DepthwiseBlock<Ptx, T, DEPTHWISE_KERNEL, kCurve, kGroups>(launch).Run();
}

template <typename T>
const void* FunctionFor(Curve curve) {
  return WithConstant(curve, [](auto constant) {
    return reinterpret_cast<const void*>(RunDepthwiseKernel<T, decltype(constant)::value>);
  });
}

}  // namespace

template <>
const void* DepthwiseFunction<DEPTHWISE_KERNEL, DEPTHWISE_GROUPS>(HalfType type, Curve curve) {
  return type == HalfType::kBFloat16 ? FunctionFor<BFloat16>(curve) : FunctionFor<Float16>(curve);
}

}  // namespace patchserve::cuda
