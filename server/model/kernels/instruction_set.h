// Which of the kernels' copies this CPU can run.
#pragma once

namespace patchserve {

enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

// Looked up once. Thread-safe.
InstructionSet BestInstructionSet();

}  // namespace patchserve
