// The library's one symbol.
#include <cuda_runtime_api.h>

#include "server/model/cuda/kernels.h"
#include "server/model/cuda/launch.h"
#include "server/model/graph_device.h"

namespace patchserve::cuda {
namespace {

const char* ErrorText(int error) { return cudaGetErrorString(static_cast<cudaError_t>(error)); }

bool IsCapturing(Stream stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  cudaStreamIsCapturing(static_cast<cudaStream_t>(stream), &status);
  return status != cudaStreamCaptureStatusNone;
}

constexpr Kernels kKernels = {.size = sizeof(Kernels),
                              .error_text = ErrorText,
                              .takes_depthwise = TakesDepthwise,
                              .run_depthwise = RunDepthwise,
                              .takes_norm = TakesNorm,
                              .run_norm = RunNorm,
                              .run_gather = RunGather,
                              .open_graph_device = OpenGraphDevice,
                              .gemm_tiles = GemmTiles,
                              .run_gemm = RunGemm,
                              .is_capturing = IsCapturing};

}  // namespace
}  // namespace patchserve::cuda

extern "C" __attribute__((visibility("default"))) const patchserve::cuda::Kernels*
PatchserveCudaKernels() {
  return &patchserve::cuda::kKernels;
}
