// What a GEMM's epilogue makes of its sums, by value: the trees and their arguments as the kernels
// have them, evaluated on a CPU by CUTLASS's own nodes. Compiled where CUTLASS is.
#include <cuda_runtime.h>

// Of CUTLASS's headers, in functions that aren't called here.
static dim3 threadIdx;  // NOLINT
inline void __syncthreads() {}

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "server/model/cuda/gemm_epilogue.h"
#include "tests/model/cuda/emulated_gpu.h"
#include "tests/model/cuda/reference.h"

namespace patchserve::cuda {
namespace {

using Tile = cute::Shape<cute::Int<64>, cute::Int<64>, cute::Int<64>>;

// One place of d.
struct Place {
  float sum;
  Number residual;
  int column;
};

template <typename T>
using One = cutlass::Array<T, 1>;

template <typename T>
One<T> OneOf(T value) {
  One<T> one;
  one[0] = value;
  return one;
}

// Value<Node>::Of(arguments, place): what a node gives there.
template <typename Tree>
struct Value;

template <>
struct Value<Sums> {
  template <typename Arguments>
  static One<float> Of(const Arguments&, const Place& place) {
    return OneOf(place.sum);
  }
};

template <>
struct Value<fusion::Sm90SrcFetch<Number>> {
  template <typename Arguments>
  static One<Number> Of(const Arguments&, const Place& place) {
    return OneOf(place.residual);
  }
};

template <>
struct Value<Column<Tile>> {
  static One<float> Of(const Column<Tile>::Arguments& row, const Place& place) {
    return OneOf(row.ptr_row == nullptr ? row.null_default : row.ptr_row[place.column]);
  }
};

template <typename Op, typename Child>
struct Value<fusion::Sm90TreeVisitor<Op, Child>> {
  template <typename Arguments>
  static auto Of(const Arguments& a, const Place& place) {
    return typename Op::ConsumerStoreCallbacks(a.op_1).visit(OneOf(place.sum), 0, 0, 0,
                                                             Value<Child>::Of(a.op_0, place));
  }
};

template <typename Op, typename First, typename Second>
struct Value<fusion::Sm90TreeVisitor<Op, First, Second>> {
  template <typename Arguments>
  static auto Of(const Arguments& a, const Place& place) {
    return typename Op::ConsumerStoreCallbacks(a.op_2).visit(OneOf(place.sum), 0, 0, 0,
                                                             Value<First>::Of(a.op_0, place),
                                                             Value<Second>::Of(a.op_1, place));
  }
};

template <typename Op, typename First, typename Second, typename Third>
struct Value<fusion::Sm90TreeVisitor<Op, First, Second, Third>> {
  template <typename Arguments>
  static auto Of(const Arguments& a, const Place& place) {
    return typename Op::ConsumerStoreCallbacks(a.op_3).visit(
        OneOf(place.sum), 0, 0, 0, Value<First>::Of(a.op_0, place),
        Value<Second>::Of(a.op_1, place), Value<Third>::Of(a.op_2, place));
  }
};

class CudaGemmEpilogueTest : public testing::Test {
 protected:
  // expected(v, column, residual), with v = sum + bias, in float64.
  template <typename Then, typename Expected>
  void ExpectRoundedOnce(const Expected& expected, const float* bias) {
    using Tree = typename Then::template Tree<Tile>;
    typename Tree::Arguments arguments;
    Gemm gemm;
    gemm.bias = bias;
    gemm.scale = scale_.data();
    gemm.shift = shift_.data();
    Then::Set(gemm, arguments);
    for (int column = 0; column < static_cast<int>(bias_.size()); ++column) {
      for (float sum = -9; sum <= 9; sum += 0.37f) {
        const Number residual(0.7f * sum - 1);
        const One<Number> got = Value<Tree>::Of(arguments, Place{sum, residual, column});
        const double v = sum + (bias == nullptr ? 0.0 : bias[column]);
        const double exact = expected(v, column, double{float{residual}});
        EXPECT_NEAR(float{got[0]}, exact, 0x1p-8 * std::fabs(exact) + 1e-5)
            << "sum " << sum << ", column " << column;
      }
    }
  }
  template <typename Then, typename Expected>
  void ExpectRoundedOnce(const Expected& expected) {
    ExpectRoundedOnce<Then>(expected, bias_.data());
    ExpectRoundedOnce<Then>(expected, nullptr);
  }

  template <Activation kActivation>
  void ExpectActivation() {
    ExpectRoundedOnce<ThenActivation<EmulatedGpu, kActivation>>(
        [](double v, int, double) { return Activated(kActivation, v); });
  }
  template <Activation kActivation>
  void ExpectActivationNorm() {
    ExpectRoundedOnce<ThenActivationNorm<EmulatedGpu, kActivation>>(
        [this](double v, int column, double) {
          return shift_[column] + scale_[column] * Activated(kActivation, v);
        });
  }

  const std::vector<float> bias_ = {0.5f, -2.25f, 0, 3}, scale_ = {1, -0.3f, 2.5f, 0.01f},
                           shift_ = {0, 4, -1.5f, 0.2f};
};

TEST_F(CudaGemmEpilogueTest, TheBiasOfItsColumnIsAdded) {
  ExpectRoundedOnce<ThenNothing>([](double v, int, double) { return v; });
}

TEST_F(CudaGemmEpilogueTest, EachActivationFollowsTheBias) {
  for (const auto& [name, value] : kActivations) {
    WithConstant(value, [this](auto activation) { ExpectActivation<activation()>(); });
  }
}

TEST_F(CudaGemmEpilogueTest, ABatchNormIsScaleTimesTheActivationPlusShift) {
  for (const auto& [name, activation] : kActivations) {
    WithConstant(activation, [this](auto constant) { ExpectActivationNorm<constant()>(); });
  }
}

TEST_F(CudaGemmEpilogueTest, TheResidualIsAddedInFloat32) {
  ExpectRoundedOnce<ThenResidual>([](double v, int, double residual) { return v + residual; });
}

}  // namespace
}  // namespace patchserve::cuda
