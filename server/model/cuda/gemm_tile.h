// Between the GEMMs' entry and the files of each tile shape.
#pragma once

#include <cuda_runtime_api.h>

#include "server/model/cuda/gemm.h"

namespace patchserve::cuda {

// processors: of the current device. Defined by gemm_tile.cu, compiled for that tile shape.
template <int tile>
int RunGemmTile(const Gemm& gemm, int processors, cudaStream_t stream);

}  // namespace patchserve::cuda
