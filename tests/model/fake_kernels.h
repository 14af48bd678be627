// A table of kernels (server/model/cuda/kernels.h) that compute on the CPU, in a few plain loops:
// float32 sums, rounded where the GPU's round. They write down what they were asked for.
#pragma once

#include <vector>

#include "server/model/cuda/kernels.h"
#include "server/model/fused_kernels.h"

namespace patchserve {

// One at a time in a process, used by one thread.
class FakeKernels {
 public:
  FakeKernels();
  ~FakeKernels();
  FakeKernels(const FakeKernels&) = delete;
  FakeKernels& operator=(const FakeKernels&) = delete;

  // Timed by a clock that goes on when a GEMM runs, by its tile's time; steps take `steps_time`.
  const FusedKernels& kernels() const { return kernels_; }
  const cuda::Kernels& table() const;

  // How many tile shapes there are, and the time of each.
  std::vector<double> tile_times = {1};
  double steps_time = 100;
  int wrong_tile = -1;      // gives one wrong number
  int failing_tile = -1;    // isn't started
  bool capturing = false;   // the stream is
  int64_t multiple_of = 8;  // of which n, k and channels must be
  bool takes_depthwise = true;
  bool wrong_depthwise = false;  // leaves out the residual
  bool takes_norm = true;
  bool wrong_norm = false;    // leaves out the bias
  bool wrong_gather = false;  // the first value is another

  // In the order of the calls.
  struct Call {
    cuda::GemmShape shape;
    int tile;
  };
  std::vector<Call> gemms;
  std::vector<cuda::DepthwiseShape> depthwises;
  std::vector<cuda::RowNormShape> norms;
  int timings = 0;

 private:
  double Time(absl::FunctionRef<void()> run);

  double clock_ = 0;
  FusedKernels kernels_;

  friend int RunFakeGemm(const cuda::Gemm& gemm, int tile, cuda::Stream stream);
};

}  // namespace patchserve
