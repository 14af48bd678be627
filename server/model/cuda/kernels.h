// What libpatchserve_cuda.so offers: our own kernels for NVIDIA GPUs, as a table of functions.
// library.h finds it at run time, so the server is built, and runs, without CUDA. A test makes a
// table of its own, of functions that compute on the CPU.
//
// Functions may be called by any thread. They run on the thread's current device, as LibTorch's
// do, and the pointers that they take are that device's memory. They only start the work, in the
// order of `stream`; the memory must live until it is done. They return 0, or a cudaError_t: the
// work wasn't started, or an earlier error of the device came to light. Once each of the kernels
// has run on a device, it may be captured in a CUDA graph.
#pragma once

#include <cstddef>
#include <memory>

#include "server/model/cuda/depthwise.h"
#include "server/model/cuda/gather.h"
#include "server/model/cuda/gemm.h"
#include "server/model/cuda/row_norm.h"

namespace patchserve {

class GraphDevice;  // graph_device.h

}  // namespace patchserve

namespace patchserve::cuda {

using Stream = void*;  // a cudaStream_t

struct Kernels {
  // sizeof(Kernels) where the library was compiled: of another build of it, it may differ.
  size_t size;

  // "out of memory", for instance, of what the others return.
  const char* (*error_text)(int error);

  // Whether there is a kernel for it, on the current device. As quick as a comparison.
  bool (*takes_depthwise)(const DepthwiseShape& shape);
  // cudaErrorInvalidValue: takes_depthwise says no.
  int (*run_depthwise)(const Depthwise& depthwise, Stream stream);

  // As the two above.
  bool (*takes_norm)(const RowNormShape& shape);
  int (*run_norm)(const RowNorm& norm, Stream stream);

  // cudaErrorInvalidValue: no image, or more than kMostImages.
  int (*run_gather)(const Gather& gather, Stream stream);
  // The device of that number (graph_device.h), on which LibTorch may take so many bytes; 0: 90 %
  // of what is free. Throws what LibTorch throws.
  std::unique_ptr<GraphDevice> (*open_graph_device)(int index, int64_t memory);
  // How many tile shapes there are for it on the current device: 0 but on Hopper cards. Which one
  // is the fastest has to be measured.
  int (*gemm_tiles)(const GemmShape& shape);
  // tile: below gemm_tiles(gemm.shape), else cudaErrorInvalidValue.
  int (*run_gemm)(const Gemm& gemm, int tile, Stream stream);

  // Whether what is started on the stream goes to a CUDA graph, and doesn't run.
  bool (*is_capturing)(Stream stream);
};

}  // namespace patchserve::cuda
