// The activations of networks. To add one: a line in each of the three parts here, then its curve
// where the compiler asks for it.
#pragma once

#include <string_view>
#include <type_traits>

namespace patchserve {

// kGelu is by the error function, kQuickGelu is x * sigmoid(1.702 * x).
enum class Activation { kGelu, kGeluTanh, kQuickGelu, kRelu, kSilu };

struct NamedActivation {
  std::string_view name;  // timm's
  Activation value;
};

inline constexpr NamedActivation kActivations[] = {{"gelu", Activation::kGelu},
                                                   {"gelu_tanh", Activation::kGeluTanh},
                                                   {"quick_gelu", Activation::kQuickGelu},
                                                   {"relu", Activation::kRelu},
                                                   {"silu", Activation::kSilu}};

// run(std::integral_constant<Activation, activation>()): of a kernel that is compiled for each.
template <typename Run>
auto WithConstant(Activation activation, const Run& run) {
  switch (activation) {
    case Activation::kGelu:
      break;
    case Activation::kGeluTanh:
      return run(std::integral_constant<Activation, Activation::kGeluTanh>());
    case Activation::kQuickGelu:
      return run(std::integral_constant<Activation, Activation::kQuickGelu>());
    case Activation::kRelu:
      return run(std::integral_constant<Activation, Activation::kRelu>());
    case Activation::kSilu:
      return run(std::integral_constant<Activation, Activation::kSilu>());
  }
  return run(std::integral_constant<Activation, Activation::kGelu>());
}

}  // namespace patchserve
