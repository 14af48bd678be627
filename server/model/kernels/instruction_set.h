// Which of the kernels' copies this CPU can run.
#pragma once

namespace patchserve {

enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

// Looked up once. Thread-safe.
InstructionSet BestInstructionSet();

// Of a function's three copies the one for `set`.
template <typename Function>
Function* CopyFor(InstructionSet set, Function* avx512, Function* avx2, Function* baseline) {
  switch (set) {
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
