#include "tests/model/cuda/depthwise_case.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <utility>

#include "server/model/cuda/depthwise_kernel.h"
#include "server/model/cuda/depthwise_weights.h"
#include "tests/model/cuda/reference.h"

namespace patchserve::cuda {
namespace {

using Body = void (*)(const DepthwiseLaunch&);

template <typename T, int kKernel, int kGroups>
Body BodyOf(Curve curve) {
  return WithConstant(curve, [](auto constant) -> Body {
    return [](const DepthwiseLaunch& launch) {
      DepthwiseBlock<EmulatedGpu, T, kKernel, decltype(constant)::value, kGroups>(launch).Run();
    };
  });
}

template <typename T, int... kOffsets>
Body BodyOf(const DepthwiseCase& c, Curve curve, std::integer_sequence<int, kOffsets...>) {
  static constexpr Body (*kOf[])(Curve) = {
      BodyOf<T, kLeastKernel + kOffsets, kLargeBlockGroups>...,
      BodyOf<T, kLeastKernel + kOffsets, kSmallBlockGroups>...};
  const int large = c.groups == kLargeBlockGroups;
  return kOf[c.kernel - kLeastKernel + (large ? 0 : sizeof...(kOffsets))](curve);
}

DepthwisePlan PlanOf(const DepthwiseCase& c, int groups) {
  return PlanDepthwise(c.kernel, groups, MostDepthwiseWarps(groups), c.height, c.width);
}

}  // namespace

void PrintTo(const DepthwiseCase& c, std::ostream* out) {
  *out << "kernel " << c.kernel << ", " << c.images << "x" << c.height << "x" << c.width << "x"
       << c.channels << ", activation " << static_cast<int>(c.activation) << ", type "
       << static_cast<int>(c.type) << ", groups " << c.groups << ", order "
       << static_cast<int>(c.order);
}

bool HasRoom(const DepthwiseCase& c, int groups) {
  return PlanOf(c, groups).warps() <= MostDepthwiseWarps(groups);
}

DepthwiseLayer::DepthwiseLayer(const DepthwiseCase& c) : c_(c) {
  std::mt19937 random(c.kernel * 1000 + c.width);
  std::normal_distribution<float> normal;
  in_.resize(c.images * c.height * c.width * c.channels);
  for (uint16_t& x : in_) x = Rounded(c.type, normal(random));
  for (uint16_t x : in_) values_.push_back(AsDouble(c.type, x));
  weight_.resize(c.channels * c.kernel * c.kernel);
  for (float& w : weight_) w = AsDouble(c.type, Rounded(c.type, normal(random) * 0.2f));
  bias_.resize(c.channels);
  for (float& b : bias_) b = normal(random);
  scale_.resize(c.channels);
  for (float& s : scale_) s = normal(random) + 1;
}

double DepthwiseLayer::In(int64_t image, int64_t y, int64_t x, int64_t channel) const {
  if (y < 0 || y >= c_.height || x < 0 || x >= c_.width) return 0;
  return values_[((image * c_.height + y) * c_.width + x) * c_.channels + channel];
}

double DepthwiseLayer::Expected(int64_t image, int64_t y, int64_t x, int64_t channel) const {
  const int64_t padding = (c_.kernel - 1) / 2;
  double sum = bias_[channel];
  const float* w = &weight_[channel * c_.kernel * c_.kernel];
  for (int64_t ky = 0; ky < c_.kernel; ++ky) {
    for (int64_t kx = 0; kx < c_.kernel; ++kx) {
      sum += In(image, y + ky - padding, x + kx - padding, channel) * *w++;
    }
  }
  return In(image, y, x, channel) + scale_[channel] * Activated(c_.activation, sum);
}

std::vector<uint16_t> DepthwiseLayer::RunEmulated(bool in_place) const {
  const DepthwiseCase& c = c_;
  std::vector<uint32_t> packed = PackDepthwiseWeights(weight_.data(), c.channels, c.kernel, c.type);
  std::vector<uint16_t> in = in_, out(in.size(), 0xffff);
  std::vector<uint16_t>& to = in_place ? in : out;
  const ActivationCurve curve = CurveOf(c.activation);
  const DepthwiseLaunch launch = {.in = reinterpret_cast<const unsigned char*>(in.data()),
                                  .out = reinterpret_cast<unsigned char*>(to.data()),
                                  .weight = reinterpret_cast<const unsigned char*>(packed.data()),
                                  .bias = bias_.data(),
                                  .scale = scale_.data(),
                                  .height = static_cast<int>(c.height),
                                  .width = static_cast<int>(c.width),
                                  .channels = static_cast<int>(c.channels),
                                  .linear = curve.linear,
                                  .cubic = curve.cubic,
                                  .plan = PlanOf(c, c.groups)};
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

void DepthwiseLayer::ExpectClose(const std::vector<uint16_t>& out) const {
  const DepthwiseCase& c = c_;
  const double rounding = c.type == HalfType::kBFloat16 ? 0x1p-8 : 0x1p-11;
  int64_t wrong = 0, i = 0;
  for (int64_t image = 0; image < c.images; ++image) {
    for (int64_t y = 0; y < c.height; ++y) {
      for (int64_t x = 0; x < c.width; ++x) {
        for (int64_t channel = 0; channel < c.channels; ++channel, ++i) {
          const double expected = Expected(image, y, x, channel);
          const double got = AsDouble(c.type, out[i]);
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

}  // namespace patchserve::cuda
