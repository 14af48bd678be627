#include "server/model/kernels/norm_step.h"
#include "server/model/kernels/vector.h"

namespace patchserve::KERNEL_ISA {
namespace {

template <typename T>
void Row(const NormStep<T>& s, const T* x, T* out) {
  float mean = 0;
  if (s.bias != nullptr) {
    Vec sum = {};
    for (int64_t i = 0; i < s.dim; i += kLanes) sum += Load(x + i);
    mean = Sum(sum) / s.dim;
  }
  Vec squares = {};
  for (int64_t i = 0; i < s.dim; i += kLanes) {
    const Vec centred = Load(x + i) - mean;
    squares += centred * centred;
  }
  const float scale = 1 / __builtin_sqrtf(Sum(squares) / s.dim + s.epsilon);
  for (int64_t i = 0; i < s.dim; i += kLanes) {
    const Vec weighted = (Load(x + i) - mean) * scale * Load(s.weight + i);
    Store(s.bias == nullptr ? weighted : weighted + Load(s.bias + i), out + i);
  }
}

template <typename T>
void Run(const NormStep<T>& s) {
  for (int64_t row = 0; row < s.rows; ++row) Row(s, s.x + row * s.dim, s.out + row * s.dim);
}

}  // namespace

void RunNorm(const NormStep<float>& step) { Run(step); }
void RunNorm(const NormStep<uint16_t>& step) { Run(step); }

}  // namespace patchserve::KERNEL_ISA
