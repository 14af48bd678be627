#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "server/model/cuda/gather_chunk.h"
#include "server/model/cuda/launch.h"

namespace patchserve::cuda {
namespace {

// The bus is the limit: 128 kB on the way hide its latency, and the other batch keeps the rest of
// the device.
constexpr int kThreads = 256, kMostBlocks = 32;

struct ToFloat32 {
  __host__ __device__ uint32_t operator()(float value) const {
    union {
      float value;
      uint32_t bits;
    } same;
    same.value = value;
    return same.bits;
  }
};
struct ToBFloat16 {
  __host__ __device__ uint16_t operator()(float value) const {
    return __bfloat16_as_ushort(__float2bfloat16_rn(value));
  }
};
struct ToFloat16 {
  __host__ __device__ uint16_t operator()(float value) const {
    return __half_as_ushort(__float2half_rn(value));
  }
};

template <typename Value, typename Convert>
__global__ void __launch_bounds__(kThreads) GatherKernel(const __grid_constant__ Gather gather) {
  __shared__ Value table[256 * 3];
  for (int i = threadIdx.x; i < 256 * 3; i += kThreads) {
    table[i] = static_cast<const Value*>(gather.table)[i];
  }
  __syncthreads();
  const int64_t chunks = ChunksOf(gather), all = gather.count * chunks;
  const int64_t step = int64_t{kThreads} * gridDim.x;
  for (int64_t i = int64_t{kThreads} * blockIdx.x + threadIdx.x; i < all; i += step) {
    GatherChunk(gather, table, static_cast<int>(i / chunks), i % chunks, Convert());
  }
}

}  // namespace

int RunGather(const Gather& gather, Stream stream) {
  if (gather.count < 1 || gather.count > Gather::kMostImages) return cudaErrorInvalidValue;
  const int64_t threads = gather.count * ChunksOf(gather);
  const int64_t blocks = (threads + kThreads - 1) / kThreads;
  const int grid = static_cast<int>(blocks < kMostBlocks ? blocks : kMostBlocks);
  const auto on = static_cast<cudaStream_t>(stream);
  switch (gather.type) {
    case ValueType::kFloat32:
      GatherKernel<uint32_t, ToFloat32><<<grid, kThreads, 0, on>>>(gather);
      break;
    case ValueType::kBFloat16:
      GatherKernel<uint16_t, ToBFloat16><<<grid, kThreads, 0, on>>>(gather);
      break;
    case ValueType::kFloat16:
      GatherKernel<uint16_t, ToFloat16><<<grid, kThreads, 0, on>>>(gather);
      break;
  }
  return cudaGetLastError();
}

}  // namespace patchserve::cuda
