// Which of the kernels' copies this CPU can run.
#pragma once

#include <cstdint>

namespace patchserve {

// kAvx512Bf16 has products of pairs of bfloat16 (vdpbf16ps) besides.
enum class InstructionSet { kBaseline, kAvx2, kAvx512, kAvx512Bf16 };

// Looked up once. Thread-safe.
InstructionSet BestInstructionSet();

// Of a function's copies the one for `set`.
template <typename Function>
Function* CopyFor(InstructionSet set, Function* avx512bf16, Function* avx512, Function* avx2,
                  Function* baseline) {
  switch (set) {
    case InstructionSet::kAvx512Bf16:
      return avx512bf16;
    case InstructionSet::kAvx512:
      return avx512;
    case InstructionSet::kAvx2:
      return avx2;
    case InstructionSet::kBaseline:
      break;
  }
  return baseline;
}

// What is compiled for each instruction set takes a Step, of float or of uint16_t, which is a
// bfloat16; numbers are float32 in between. Each copy is in a namespace of its own (vector.h).
#define DECLARE_KERNEL_IN(set, name, Step) \
  namespace set {                          \
  void name(const Step<float>& step);      \
  void name(const Step<uint16_t>& step);   \
  }
#define DECLARE_KERNEL(name, Step)          \
  DECLARE_KERNEL_IN(avx512bf16, name, Step) \
  DECLARE_KERNEL_IN(avx512, name, Step)     \
  DECLARE_KERNEL_IN(avx2, name, Step)       \
  DECLARE_KERNEL_IN(baseline, name, Step)
#define KERNEL_FOR(set, name, Step)                                                         \
  ::patchserve::CopyFor<void(const Step&)>(set, avx512bf16::name, avx512::name, avx2::name, \
                                           baseline::name)

}  // namespace patchserve
