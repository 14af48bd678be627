// What a GEMM's epilogue does with the sums in its registers, as CUTLASS's visitor trees
// (cutlass/epilogue/fusion): a node computes float32 from its children, the root bfloat16.
#pragma once

#include <type_traits>

#include "cute/tensor.hpp"
#include "cutlass/cutlass.h"
#include "cutlass/epilogue/fusion/sm90_callbacks_tma_warpspecialized.hpp"
#include "server/model/cuda/curves.h"
#include "server/model/cuda/gemm.h"

namespace patchserve::cuda {

namespace fusion = cutlass::epilogue::fusion;
using Number = cutlass::bfloat16_t;

// An activation, for the vectors of sums that a node takes. Gpu: as a kernel's (gpu.h).
template <typename Gpu, Activation kActivation>
struct Activate {
  template <typename T>
  struct Function {};
  template <int count>
  struct Function<cutlass::Array<float, count>> {
    CUTLASS_DEVICE cutlass::Array<float, count> operator()(
        const cutlass::Array<float, count>& x) const {
      constexpr ActivationCurve kCurve = CurveOf(kActivation);
      cutlass::Array<float, count> y;
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < count; ++i) {
        y[i] = Activated<Gpu, kCurve.curve>(x[i], kCurve.linear, kCurve.cubic);
      }
      return y;
    }
  };
};

template <template <class> class Function, typename Output, typename... Children>
using Node = fusion::Sm90EVT<
    fusion::Sm90Compute<Function, Output, float, cutlass::FloatRoundStyle::round_to_nearest>,
    Children...>;
template <typename Tile>
using Column = fusion::Sm90RowBroadcast<0, Tile, float, float>;  // one number a column of d
using Sums = fusion::Sm90AccFetch;

// Each has Source, the type of the matrix that is read besides, its Tree, and how the tree's
// arguments are made: by nodes, children first, each node's own last.
struct ThenNothing {
  using Source = void;
  template <typename Tile, typename Output = Number>
  using Tree = Node<cutlass::plus, Output, Sums, Column<Tile>>;
  template <typename Arguments>
  static void Set(const Gemm& gemm, Arguments& tree) {
    tree = {{}, {gemm.bias, 0, {}}, {}};
  }
};

template <typename Gpu, Activation kActivation>
struct ThenActivation {
  using Source = void;
  template <typename Tile, typename Output = Number>
  using Tree =
      Node<Activate<Gpu, kActivation>::template Function, Output, ThenNothing::Tree<Tile, float>>;
  template <typename Arguments>
  static void Set(const Gemm& gemm, Arguments& tree) {
    tree = {{{}, {gemm.bias, 0, {}}, {}}, {}};
  }
};

template <typename Gpu, Activation kActivation>
struct ThenActivationNorm {
  using Source = void;
  template <typename Tile>
  using Tree =
      Node<cutlass::homogeneous_multiply_add, Number, Column<Tile>,
           typename ThenActivation<Gpu, kActivation>::template Tree<Tile, float>, Column<Tile>>;
  template <typename Arguments>
  static void Set(const Gemm& gemm, Arguments& tree) {
    tree = {{gemm.scale, 1, {}}, {{{}, {gemm.bias, 0, {}}, {}}, {}}, {gemm.shift, 0, {}}, {}};
  }
};

struct ThenResidual {
  using Source = Number;
  template <typename Tile>
  using Tree =
      Node<cutlass::plus, Number, ThenNothing::Tree<Tile, float>, fusion::Sm90SrcFetch<Number>>;
  template <typename Arguments>
  static void Set(const Gemm& gemm, Arguments& tree) {
    tree = {{{}, {gemm.bias, 0, {}}, {}}, {}, {}};
  }
};

}  // namespace patchserve::cuda
