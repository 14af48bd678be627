#include "server/model/kernels/instruction_set.h"

namespace patchserve {

InstructionSet BestInstructionSet() {
  static const InstructionSet best = [] {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      return __builtin_cpu_supports("avx512bf16") ? InstructionSet::kAvx512Bf16
                                                  : InstructionSet::kAvx512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
      return InstructionSet::kAvx2;
    }
    return InstructionSet::kBaseline;
  }();
  return best;
}

}  // namespace patchserve
