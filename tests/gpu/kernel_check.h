// The parts of kernel_check: each checks one of our own kernels against a higher precision, and
// prints what it found as JSON objects, one a line.
#pragma once

#include <string>

#include "ATen/core/Tensor.h"
#include "absl/functional/function_ref.h"
#include "server/model/cuda/kernels.h"

namespace patchserve::cuda {

// What is checked, and where: a GPU, or a CPU on which a test's functions run.
struct Checked {
  const Kernels& kernels;
  at::Device device;
  bool few = false;  // a shape of each kernel alone
};

// The thread's current stream of the device; none on a CPU.
Stream StreamOf(const at::Device& device);

// Microseconds of a launch, when `launch(i)` is called for i = 0, 1 ... `launches` - 1; the least
// of some rounds.
double Microseconds(const at::Device& device, int launches, absl::FunctionRef<void(int)> launch);

// Counts what was compared, and says on stderr what is wrong.
class Tally {
 public:
  explicit Tally(const Kernels& kernels) : kernels_(kernels) {}

  // Whether `error`, of a launch, is none.
  bool Started(const std::string& what, int error);
  // Each number of `got` may be off by `rounding` of itself, and by `sums` besides.
  void Compare(const std::string& what, const at::Tensor& got, const at::Tensor& exact,
               double rounding, double sums);
  void Expect(const std::string& what, bool right, const std::string& why);

  // {"kernel": KERNEL, MORE, "checked": ...}; how many were wrong.
  int Print(const std::string& kernel, const std::string& more = "") const;

 private:
  const Kernels& kernels_;
  int checked_ = 0, wrong_ = 0;
  double largest_error_ = 0;  // as a part of the largest number of the same result
};

// -> how many results are wrong.
int CheckDepthwise(const Checked& checked);
int CheckGemms(const Checked& checked);
int CheckRowNorms(const Checked& checked);
int CheckGather(const Checked& checked);

void TimeDepthwise(const Checked& checked);
// Every tile shape beside LibTorch's steps.
void TimeGemms(const Checked& checked);
// Beside LibTorch's.
void TimeRowNorms(const Checked& checked);

}  // namespace patchserve::cuda
