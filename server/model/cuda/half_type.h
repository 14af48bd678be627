#pragma once

namespace patchserve::cuda {

// What activations and weights are stored in. Sums are float32.
enum class HalfType { kBFloat16, kFloat16 };

}  // namespace patchserve::cuda
