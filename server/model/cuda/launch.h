// The functions of the table, each in the file that it is named for.
#pragma once

#include "server/model/cuda/kernels.h"

namespace patchserve::cuda {

bool TakesDepthwise(const DepthwiseShape& shape);  // depthwise.cc
int RunDepthwise(const Depthwise& depthwise, Stream stream);

bool TakesNorm(const RowNormShape& shape);  // row_norm.cu
int RunNorm(const RowNorm& norm, Stream stream);

int RunGather(const Gather& gather, Stream stream);                       // gather.cu
std::unique_ptr<GraphDevice> OpenGraphDevice(int index, int64_t memory);  // graph_device.cc
int GemmTiles(const GemmShape& shape);                                    // gemm.cc
int RunGemm(const Gemm& gemm, int tile, Stream stream);

}  // namespace patchserve::cuda
