// Which of the kernels' copies this CPU can run.
#pragma once

namespace patchserve {

// kAvx512Bf16 has products of pairs of bfloat16 (vdpbf16ps) besides.
enum class InstructionSet { kBaseline, kAvx2, kAvx512, kAvx512Bf16 };

// Looked up once. Thread-safe.
InstructionSet BestInstructionSet();

// Of a function's four copies the one for `set`.
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

}  // namespace patchserve
