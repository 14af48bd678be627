#pragma once

namespace patchserve {

// kGelu is by the error function, kQuickGelu is x * sigmoid(1.702 * x).
enum class Activation { kGelu, kGeluTanh, kQuickGelu, kRelu, kSilu };

}  // namespace patchserve
