// The depthwise kernel on an emulated GPU, against float64.

#include "server/model/cuda/depthwise_kernel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "server/model/cuda/depthwise_instance.h"
#include "server/model/cuda/depthwise_weights.h"
#include "tests/model/cuda/emulated_gpu.h"

namespace patchserve::cuda {
namespace {

struct Case {
  int64_t kernel, images, height, width, channels;
  Activation activation = Activation::kGelu;
  HalfType type = HalfType::kBFloat16;
  int groups = kLargeBlockGroups;
  ThreadOrder order = ThreadOrder::kForward;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << "kernel " << c.kernel << ", " << c.images << "x" << c.height << "x" << c.width << "x"
       << c.channels << ", activation " << static_cast<int>(c.activation) << ", type "
       << static_cast<int>(c.type) << ", groups " << c.groups << ", order "
       << static_cast<int>(c.order);
}

uint16_t Rounded(HalfType type, float value) {
  return type == HalfType::kBFloat16 ? EmulatedGpu::Pack(BFloat16(), value, 0)
                                     : EmulatedGpu::Pack(Float16(), value, 0);
}
double Number(HalfType type, uint16_t half) {
  return type == HalfType::kBFloat16 ? EmulatedGpu::First(BFloat16(), half)
                                     : EmulatedGpu::First(Float16(), half);
}

double Activated(Activation activation, double x) {
  switch (activation) {
    case Activation::kGelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kQuickGelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::kRelu:
      return x > 0 ? x : 0;
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
  }
  return NAN;
}

using Body = void (*)(const DepthwiseLaunch&);

template <typename T, int kKernel, int kGroups>
Body BodyOf(Curve curve) {
  static constexpr auto run = [](auto curve_of, const DepthwiseLaunch& launch) {
    DepthwiseBlock<EmulatedGpu, T, kKernel, decltype(curve_of)::value, kGroups>(launch).Run();
  };
  switch (curve) {
    case Curve::kRelu:
      return
          [](const DepthwiseLaunch& l) { run(std::integral_constant<Curve, Curve::kRelu>(), l); };
    case Curve::kGelu:
      return
          [](const DepthwiseLaunch& l) { run(std::integral_constant<Curve, Curve::kGelu>(), l); };
    case Curve::kSigmoid:
      break;
  }
  return [](const DepthwiseLaunch& l) { run(std::integral_constant<Curve, Curve::kSigmoid>(), l); };
}

template <typename T, int... kOffsets>
Body BodyOf(const Case& c, Curve curve, std::integer_sequence<int, kOffsets...>) {
  static constexpr Body (*kOf[])(Curve) = {
      BodyOf<T, kLeastKernel + kOffsets, kLargeBlockGroups>...,
      BodyOf<T, kLeastKernel + kOffsets, kSmallBlockGroups>...};
  const int large = c.groups == kLargeBlockGroups;
  return kOf[c.kernel - kLeastKernel + (large ? 0 : sizeof...(kOffsets))](curve);
}

// What a layer is made of, all of which a half has exactly.
struct Layer {
  explicit Layer(const Case& c) : c(c) {
    std::mt19937 random(c.kernel * 1000 + c.width);
    std::normal_distribution<float> normal;
    in.resize(c.images * c.height * c.width * c.channels);
    for (uint16_t& x : in) x = Rounded(c.type, normal(random));
    weight.resize(c.channels * c.kernel * c.kernel);
    for (float& w : weight) w = Number(c.type, Rounded(c.type, normal(random) * 0.2f));
    bias.resize(c.channels);
    for (float& b : bias) b = normal(random);
    scale.resize(c.channels);
    for (float& s : scale) s = normal(random) + 1;
  }

  double In(int64_t image, int64_t y, int64_t x, int64_t channel) const {
    if (y < 0 || y >= c.height || x < 0 || x >= c.width) return 0;
    return Number(c.type, in[((image * c.height + y) * c.width + x) * c.channels + channel]);
  }

  double Expected(int64_t image, int64_t y, int64_t x, int64_t channel) const {
    const int64_t padding = (c.kernel - 1) / 2;
    double sum = bias[channel];
    const float* w = &weight[channel * c.kernel * c.kernel];
    for (int64_t ky = 0; ky < c.kernel; ++ky) {
      for (int64_t kx = 0; kx < c.kernel; ++kx) {
        sum += In(image, y + ky - padding, x + kx - padding, channel) * *w++;
      }
    }
    return In(image, y, x, channel) + scale[channel] * Activated(c.activation, sum);
  }

  const Case& c;
  std::vector<uint16_t> in;
  std::vector<float> weight, bias, scale;
};

std::vector<uint16_t> RunEmulated(const Case& c, const Layer& layer, bool in_place) {
  std::vector<uint32_t> packed =
      PackDepthwiseWeights(layer.weight.data(), c.channels, c.kernel, c.type);
  std::vector<uint16_t> in = layer.in, out(in.size(), 0xffff);
  std::vector<uint16_t>& to = in_place ? in : out;
  const ActivationCurve curve = CurveOf(c.activation);
  const DepthwiseLaunch launch = {
      .in = reinterpret_cast<const unsigned char*>(in.data()),
      .out = reinterpret_cast<unsigned char*>(to.data()),
      .weight = reinterpret_cast<const unsigned char*>(packed.data()),
      .bias = layer.bias.data(),
      .scale = layer.scale.data(),
      .height = static_cast<int>(c.height),
      .width = static_cast<int>(c.width),
      .channels = static_cast<int>(c.channels),
      .linear = curve.linear,
      .cubic = curve.cubic,
      .plan = PlanDepthwise(c.kernel, c.groups, MostDepthwiseWarps(c.groups), c.height, c.width)};
  constexpr std::make_integer_sequence<int, kLargestKernel - kLeastKernel + 1> kKernels;
  const Body body = c.type == HalfType::kBFloat16 ? BodyOf<BFloat16>(c, curve.curve, kKernels)
                                                  : BodyOf<Float16>(c, curve.curve, kKernels);
  EmulatedGpu::Forbid();
  EmulatedGpu::Allow(in.data(), in.size() * sizeof(in[0]));
  EmulatedGpu::Allow(out.data(), out.size() * sizeof(out[0]));
  EmulatedGpu::Allow(packed.data(), packed.size() * sizeof(packed[0]));
  EmulatedGpu::Run({.blocks_x = static_cast<int>((c.channels / 8 + c.groups - 1) / c.groups),
                    .blocks_y = static_cast<int>(c.images),
                    .threads = launch.plan.warps() * 32,
                    .shared_bytes = launch.plan.bytes,
                    .order = c.order},
                   [&] { body(launch); });
  return to;
}

// Rounded sums in float32 and an approximate activation, then `out` is rounded to the type.
void ExpectClose(const Layer& layer, const std::vector<uint16_t>& out) {
  const Case& c = layer.c;
  const double rounding = c.type == HalfType::kBFloat16 ? 0x1p-8 : 0x1p-11;
  int64_t wrong = 0, i = 0;
  for (int64_t image = 0; image < c.images; ++image) {
    for (int64_t y = 0; y < c.height; ++y) {
      for (int64_t x = 0; x < c.width; ++x) {
        for (int64_t channel = 0; channel < c.channels; ++channel, ++i) {
          const double expected = layer.Expected(image, y, x, channel);
          const double got = Number(c.type, out[i]);
          if (std::abs(got - expected) <= rounding * std::abs(expected) + 1e-5) continue;
          if (++wrong > 3) continue;
          ADD_FAILURE() << "image " << image << ", row " << y << ", column " << x << ", channel "
                        << channel << ": " << got << ", expected " << expected;
        }
      }
    }
  }
  EXPECT_EQ(wrong, 0) << "of " << i;
}

class CudaDepthwiseKernelTest : public testing::TestWithParam<Case> {};

TEST_P(CudaDepthwiseKernelTest, ComputesWhatFloat64Does) {
  const Layer layer(GetParam());
  ExpectClose(layer, RunEmulated(GetParam(), layer, /*in_place=*/false));
}

std::vector<Case> EachKernelActivationAndType() {
  std::vector<Case> cases;
  for (int64_t kernel = kLeastKernel; kernel <= kLargestKernel; ++kernel) {
    for (int groups : {kSmallBlockGroups, kLargeBlockGroups}) {
      for (HalfType type : {HalfType::kBFloat16, HalfType::kFloat16}) {
        for (Activation activation :
             {Activation::kGelu, Activation::kGeluTanh, Activation::kQuickGelu, Activation::kRelu,
              Activation::kSilu}) {
          cases.push_back({kernel, 1, 17, 9, 24, activation, type, groups});
        }
      }
    }
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(EachKernelActivationAndType, CudaDepthwiseKernelTest,
                         testing::ValuesIn(EachKernelActivationAndType()));

// Sides below, at and beyond a tile's; channels that fill no block, one, and some and a rest; all
// orders of the threads. Large blocks have room for four tiles.
std::vector<Case> EachShape() {
  std::vector<Case> cases;
  const auto add = [&](Case c) {
    for (int groups : {kSmallBlockGroups, kLargeBlockGroups}) {
      c.groups = groups;
      const int most = MostDepthwiseWarps(groups);
      if (PlanDepthwise(c.kernel, groups, most, c.height, c.width).warps() > most) continue;
      for (ThreadOrder order :
           {ThreadOrder::kForward, ThreadOrder::kReverse, ThreadOrder::kRandom}) {
        c.order = order;
        cases.push_back(c);
      }
    }
  };
  add({9, 1, 1, 1, 8});
  add({8, 3, 7, 5, 72});
  add({9, 3, 16, 16, 64});
  add({7, 1, 32, 32, 24});
  add({9, 1, 33, 17, 8});
  add({4, 1, 13, 40, 24});
  add({9, 1, 16, 64, 8});
  add({5, 1, 64, 5, 8});
  add({9, 1, 64, 64, 8});
  return cases;
}
INSTANTIATE_TEST_SUITE_P(EachShape, CudaDepthwiseKernelTest, testing::ValuesIn(EachShape()));
INSTANTIATE_TEST_SUITE_P(AWholeLayer, CudaDepthwiseKernelTest,
                         testing::Values(Case{7, 1, 16, 16, 768, Activation::kRelu}));

// `--gtest_also_run_disabled_tests`: minutes.
std::vector<Case> EverySize() {
  std::vector<Case> cases;
  for (int64_t kernel = kLeastKernel; kernel <= kLargestKernel; ++kernel) {
    for (const auto& [height, width] : {std::pair(1, 1),
                                        {7, 5},
                                        {16, 16},
                                        {32, 32},
                                        {33, 17},
                                        {24, 24},
                                        {36, 36},
                                        {31, 64},
                                        {64, 64}}) {
      for (int64_t channels : {8, 24, 64, 72}) {
        for (int groups : {kSmallBlockGroups, kLargeBlockGroups}) {
          const int most = MostDepthwiseWarps(groups);
          if (PlanDepthwise(kernel, groups, most, height, width).warps() > most) continue;
          cases.push_back({kernel, 3, height, width, channels, Activation::kGelu,
                           HalfType::kBFloat16, groups, ThreadOrder::kRandom});
        }
      }
    }
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(DISABLED_EverySize, CudaDepthwiseKernelTest,
                         testing::ValuesIn(EverySize()));

TEST(CudaDepthwiseKernelInPlaceTest, TheResultMayOverwriteTheInput) {
  const Case c = {.kernel = 9, .images = 2, .height = 18, .width = 34, .channels = 16};
  Case small = c;
  small.groups = kSmallBlockGroups;
  const Layer layer(small);
  EXPECT_EQ(RunEmulated(small, layer, /*in_place=*/true),
            RunEmulated(small, layer, /*in_place=*/false));
}

}  // namespace
}  // namespace patchserve::cuda
