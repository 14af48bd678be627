#include <cuda_runtime.h>

#include "server/model/cuda/card.h"
#include "server/model/cuda/launch.h"
#include "server/model/cuda/row_norm_kernel.h"

namespace patchserve::cuda {
namespace {

constexpr int kThreads = 32 * kRowNormWarps;

template <typename T, int kChunks>
__global__ void __launch_bounds__(kThreads) RowNormKernel(const __grid_constant__ RowNorm norm) {
  RowNormWarp<Ptx, T, kChunks>(norm).Run();
}

template <typename T, int kChunks = 1>
void Launch(const RowNorm& norm, cudaStream_t stream) {
  if constexpr (kChunks < kMostRowNormChunks) {
    if (kChunks < RowNormChunks(norm.shape.dim)) return Launch<T, kChunks + 1>(norm, stream);
  }
  const int64_t blocks = (norm.shape.rows + kRowNormWarps - 1) / kRowNormWarps;
  RowNormKernel<T, kChunks><<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(norm);
}

bool HasCodeForDevice() {
  int device = 0, major = 0;
  return cudaGetDevice(&device) == cudaSuccess &&
         cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
         HasCode(major);
}

}  // namespace

bool TakesNorm(const RowNormShape& shape) { return TakesRowNorm(shape) && HasCodeForDevice(); }

int RunNorm(const RowNorm& norm, Stream stream) {
  if (!TakesNorm(norm.shape)) return cudaErrorInvalidValue;
  const auto on = static_cast<cudaStream_t>(stream);
  if (norm.shape.type == HalfType::kBFloat16) {
    Launch<BFloat16>(norm, on);
  } else {
    Launch<Float16>(norm, on);
  }
  return cudaGetLastError();
}

}  // namespace patchserve::cuda
