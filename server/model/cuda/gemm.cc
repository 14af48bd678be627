#include <cuda_runtime_api.h>

#include <array>
#include <utility>

#include "server/model/cuda/gemm_choice.h"
#include "server/model/cuda/gemm_tile.h"
#include "server/model/cuda/launch.h"

namespace patchserve::cuda {
namespace {

#ifdef PATCHSERVE_CUDA_QUICK
constexpr int kTiles = 1;
#else
constexpr int kTiles = 5;
#endif

// 0 where there is no current device.
int OfCurrentDevice(cudaDeviceAttr what) {
  int device = 0, value = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return 0;
  return cudaDeviceGetAttribute(&value, what, device) == cudaSuccess ? value : 0;
}

using RunTile = int (*)(const Gemm& gemm, int processors, cudaStream_t stream);

template <int... tile>
constexpr std::array<RunTile, sizeof...(tile)> AllTiles(std::integer_sequence<int, tile...>) {
  return {RunGemmTile<tile>...};
}
constexpr auto kRunTile = AllTiles(std::make_integer_sequence<int, kTiles>());

}  // namespace

int GemmTiles(const GemmShape& shape) {
  const GemmDevice device = {.major = OfCurrentDevice(cudaDevAttrComputeCapabilityMajor),
                             .minor = OfCurrentDevice(cudaDevAttrComputeCapabilityMinor)};
  return TakesGemm(shape, device) ? kTiles : 0;
}

int RunGemm(const Gemm& gemm, int tile, Stream stream) {
  if (tile < 0 || tile >= GemmTiles(gemm.shape)) return cudaErrorInvalidValue;
  return kRunTile[tile](gemm, OfCurrentDevice(cudaDevAttrMultiProcessorCount),
                        static_cast<cudaStream_t>(stream));
}

}  // namespace patchserve::cuda
