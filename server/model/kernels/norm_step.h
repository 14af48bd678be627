// Rows of one tensor, as it is compiled for each instruction set (vector.h).
#pragma once

#include <cstdint>

namespace patchserve {

// uint16_t is a bfloat16; numbers are float32 in between.
template <typename T>
struct NormStep {
  int64_t rows, dim;           // dim is a multiple of 16
  const T *x, *weight, *bias;  // no bias: an RMSNorm
  float epsilon;
  T* out;
};

namespace avx512bf16 {
void RunNorm(const NormStep<float>& step);
void RunNorm(const NormStep<uint16_t>& step);
}  // namespace avx512bf16
namespace avx512 {
void RunNorm(const NormStep<float>& step);
void RunNorm(const NormStep<uint16_t>& step);
}  // namespace avx512
namespace avx2 {
void RunNorm(const NormStep<float>& step);
void RunNorm(const NormStep<uint16_t>& step);
}  // namespace avx2
namespace baseline {
void RunNorm(const NormStep<float>& step);
void RunNorm(const NormStep<uint16_t>& step);
}  // namespace baseline

}  // namespace patchserve
