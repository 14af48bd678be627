// The kernel of LayerNorm and RMSNorm on an emulated GPU, against float64.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <tuple>
#include <vector>

#include "server/model/cuda/row_norm_kernel.h"
#include "tests/model/cuda/emulated_gpu.h"

namespace patchserve::cuda {
namespace {

constexpr double kEpsilon = 1e-6;

template <typename T, int kChunks = 1>
void RunWarp(const RowNorm& norm) {
  if constexpr (kChunks < kMostRowNormChunks) {
    if (kChunks < RowNormChunks(norm.shape.dim)) return RunWarp<T, kChunks + 1>(norm);
  }
  RowNormWarp<EmulatedGpu, T, kChunks>(norm).Run();
}

struct Rows {
  RowNormShape shape;
  std::vector<uint16_t> in, weight, bias;  // bias: none for RMSNorm

  // Far from 0, as a ViT's last layers are: squares of what isn't centred would be too inexact.
  Rows(const RowNormShape& shape, bool with_bias) : shape(shape) {
    std::mt19937 random(shape.dim);
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<uint16_t>& numbers, int64_t count, float mean, float spread) {
      for (int64_t i = 0; i < count; ++i) {
        numbers.push_back(Rounded(shape.type, normal(random) * spread + mean));
      }
    };
    fill(in, shape.rows * shape.dim, 20, 3);
    fill(weight, shape.dim, 1, 0.5);
    if (with_bias) fill(bias, shape.dim, 0, 1);
  }

  // The emulator ends the program where anything beyond these is read or written.
  std::vector<uint16_t> Run(ThreadOrder order, bool in_place) const {
    std::vector<uint16_t> from = in, out(in.size(), 0x7fff);
    std::vector<uint16_t>& to = in_place ? from : out;
    const RowNorm norm = {.shape = shape,
                          .in = from.data(),
                          .out = to.data(),
                          .weight = weight.data(),
                          .bias = bias.empty() ? nullptr : bias.data(),
                          .epsilon = static_cast<float>(kEpsilon)};
    EmulatedGpu::Forbid();
    const auto allow = [](const std::vector<uint16_t>& memory) {
      EmulatedGpu::Allow(memory.data(), memory.size() * sizeof(uint16_t));
    };
    allow(from), allow(out), allow(weight), allow(bias);
    const int blocks = static_cast<int>((shape.rows + kRowNormWarps - 1) / kRowNormWarps);
    EmulatedGpu::Run({.blocks_x = blocks, .threads = 32 * kRowNormWarps, .order = order}, [&] {
      shape.type == HalfType::kBFloat16 ? RunWarp<BFloat16>(norm) : RunWarp<Float16>(norm);
    });
    return to;
  }

  void ExpectClose(const std::vector<uint16_t>& out) const {
    const double rounding = shape.type == HalfType::kBFloat16 ? 0x1p-8 : 0x1p-11;
    int64_t wrong = 0;
    for (int64_t row = 0; row < shape.rows; ++row) {
      const uint16_t* const x = &in[row * shape.dim];
      double mean = 0, squares = 0;
      for (int64_t i = 0; i < shape.dim; ++i) mean += AsDouble(shape.type, x[i]) / shape.dim;
      if (bias.empty()) mean = 0;
      for (int64_t i = 0; i < shape.dim; ++i) {
        squares += std::pow(AsDouble(shape.type, x[i]) - mean, 2) / shape.dim;
      }
      for (int64_t i = 0; i < shape.dim; ++i) {
        const double added = bias.empty() ? 0 : AsDouble(shape.type, bias[i]);
        const double expected = (AsDouble(shape.type, x[i]) - mean) /
                                    std::sqrt(squares + kEpsilon) *
                                    AsDouble(shape.type, weight[i]) +
                                added;
        const double got = AsDouble(shape.type, out[row * shape.dim + i]);
        // Sums are in float32.
        if (!(std::abs(got - expected) <= rounding * std::abs(expected) + 2e-5)) ++wrong;
      }
    }
    EXPECT_EQ(wrong, 0) << "of " << out.size();
  }
};

class CudaRowNormTest
    : public testing::TestWithParam<std::tuple<HalfType, bool, std::pair<int64_t, int64_t>>> {
 protected:
  Rows GetRows() const {
    const auto& [type, with_bias, size] = GetParam();
    return Rows({.type = type, .rows = size.first, .dim = size.second}, with_bias);
  }
};

TEST_P(CudaRowNormTest, ComputesWhatFloat64DoesInEveryOrderOfThreads) {
  const Rows rows = GetRows();
  const std::vector<uint16_t> out = rows.Run(ThreadOrder::kForward, /*in_place=*/false);
  rows.ExpectClose(out);
  EXPECT_EQ(out, rows.Run(ThreadOrder::kReverse, /*in_place=*/false));
  EXPECT_EQ(out, rows.Run(ThreadOrder::kRandom, /*in_place=*/true));
}

// Rows that fill no block, one, and some and a rest; of one chunk, of less and more than a warp has
// at a time, of networks (192, 384, 768, 1024, 1280, 1408) and the longest.
INSTANTIATE_TEST_SUITE_P(
    EachTypeNormAndSize, CudaRowNormTest,
    testing::Combine(testing::Values(HalfType::kBFloat16, HalfType::kFloat16), testing::Bool(),
                     testing::ValuesIn(std::vector<std::pair<int64_t, int64_t>>{
                         {1, 8},
                         {3, 64},
                         {4, 192},
                         {5, 248},
                         {9, 256},
                         {2, 264},
                         {6, 384},
                         {7, 768},
                         {2, 1024},
                         {5, 1280},
                         {3, 1408},
                         {1, 1792},
                         {2, 2048}})));

TEST(CudaRowNormShapeTest, RowsOfWholeChunksUpTo2048NumbersAreTaken) {
  const auto takes = [](int64_t rows, int64_t dim) {
    return TakesRowNorm({.rows = rows, .dim = dim});
  };
  EXPECT_TRUE(takes(1, 8));
  EXPECT_TRUE(takes(int64_t{1} << 32, 2048));
  EXPECT_FALSE(takes(0, 8));
  EXPECT_FALSE(takes((int64_t{1} << 32) + 1, 8));
  EXPECT_FALSE(takes(1, 0));
  EXPECT_FALSE(takes(1, 12));
  EXPECT_FALSE(takes(1, 2056));
}

TEST(CudaRowNormShapeTest, ARowOfOneNumberThroughoutBecomesItsBias) {
  Rows rows({.rows = 1, .dim = 768}, /*with_bias=*/true);
  rows.in.assign(rows.in.size(), Rounded(HalfType::kBFloat16, 3.5f));
  EXPECT_EQ(rows.Run(ThreadOrder::kForward, /*in_place=*/false), rows.bias);
}

}  // namespace
}  // namespace patchserve::cuda
