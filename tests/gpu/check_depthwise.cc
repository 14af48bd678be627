#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "server/model/cuda/depthwise_weights.h"
#include "server/model/layers.h"
#include "tests/gpu/kernel_check.h"

namespace patchserve::cuda {
namespace {

std::string Describe(const DepthwiseShape& s) {
  return absl::StrFormat("%s kernel %d, %dx%dx%dx%d, activation %d",
                         s.type == HalfType::kBFloat16 ? "bfloat16" : "float16", s.kernel, s.images,
                         s.height, s.width, s.channels, static_cast<int>(s.activation));
}

at::ScalarType TypeOf(const DepthwiseShape& shape) {
  return shape.type == HalfType::kBFloat16 ? at::kBFloat16 : at::kHalf;
}

// A layer of random numbers on the device, and both ways to compute it.
class Layer {
 public:
  Layer(const Checked& checked, const DepthwiseShape& shape)
      : checked_(checked),
        shape_(shape),
        weight_(at::randn({shape.channels, 1, shape.kernel, shape.kernel})
                    .mul(0.2)
                    .to(TypeOf(shape))
                    .to(at::kFloat)),
        bias_(at::randn({shape.channels}).to(checked.device)),
        scale_(at::randn({shape.channels}).add(1).to(checked.device)) {
    std::vector<uint32_t> packed = PackDepthwiseWeights(weight_.const_data_ptr<float>(),
                                                        shape.channels, shape.kernel, shape.type);
    packed_ = at::from_blob(packed.data(), {static_cast<int64_t>(packed.size())}, at::kInt)
                  .to(checked.device, at::kInt, /*non_blocking=*/false, /*copy=*/true);
    weight_ = weight_.to(checked.device);
  }

  at::Tensor RandomInput() const {
    return at::randn({shape_.images, shape_.height, shape_.width, shape_.channels},
                     at::TensorOptions(checked_.device).dtype(at::kFloat))
        .to(TypeOf(shape_));
  }

  int Run(const at::Tensor& in, const at::Tensor& out) const {
    return checked_.kernels.run_depthwise(
        {.shape = shape_,
         .in = in.const_data_ptr(),
         .out = out.mutable_data_ptr(),
         .weight = static_cast<const uint32_t*>(packed_.const_data_ptr()),
         .bias = bias_.const_data_ptr<float>(),
         .scale = scale_.const_data_ptr<float>()},
        StreamOf(checked_.device));
  }

  at::Tensor InFloat32(const at::Tensor& in) const {
    const at::Tensor x = in.to(at::kFloat).permute({0, 3, 1, 2}).contiguous();
    at::Tensor mixed = at::conv2d(x, weight_, bias_, /*stride=*/1, "same", /*dilation=*/1,
                                  /*groups=*/shape_.channels);
    Activate(shape_.activation, mixed);
    return (x + mixed * scale_.view({1, -1, 1, 1})).permute({0, 2, 3, 1});
  }

 private:
  const Checked& checked_;
  const DepthwiseShape shape_;
  at::Tensor weight_, bias_, scale_, packed_;
};

// Each number is the one of float32, but for its own rounding and sums in another order.
void Check(const Checked& checked, const DepthwiseShape& shape, bool in_place, Tally& tally) {
  const Layer layer(checked, shape);
  const at::Tensor in = layer.RandomInput();
  const at::Tensor expected = layer.InFloat32(in);
  const at::Tensor out = in_place ? in : at::full_like(in, NAN);
  const std::string what = Describe(shape) + (in_place ? ", in place" : "");
  if (!tally.Started(what, layer.Run(in, out))) return;
  tally.Compare(what, out, expected, shape.type == HalfType::kBFloat16 ? 0x1p-8 : 0x1p-11, 1e-4);
}

// Launches one after the other, each with memory that isn't in the L2 cache; us a launch.
double Time(const Checked& checked, const DepthwiseShape& shape) {
  constexpr double kCacheBytes = 100e6;
  const Layer layer(checked, shape);
  const double bytes = 2.0 * shape.images * shape.height * shape.width * shape.channels;
  const int buffers = 1 + static_cast<int>(kCacheBytes / bytes);
  std::vector<at::Tensor> in, out;
  for (int i = 0; i < buffers; ++i) {
    in.push_back(layer.RandomInput());
    out.push_back(at::empty_like(in.back()));
  }
  return Microseconds(checked.device, buffers < 100 ? 200 : 2 * buffers,
                      [&](int i) { layer.Run(in[i % buffers], out[i % buffers]); });
}

}  // namespace

int CheckDepthwise(const Checked& checked) {
  Tally tally(checked.kernels);
  int not_taken = 0;  // with 100 KiB of shared memory, the largest images
  const auto check = [&](const DepthwiseShape& shape, bool in_place) {
    if (checked.kernels.takes_depthwise(shape)) {
      Check(checked, shape, in_place, tally);
    } else {
      ++not_taken;
    }
  };
  const auto print = [&] {
    return tally.Print("depthwise", absl::StrFormat(", \"not_taken\": %d", not_taken));
  };
  if (checked.few) {
    check({HalfType::kBFloat16, Activation::kGelu, 1, 33, 17, 24, 9}, /*in_place=*/false);
    check({HalfType::kFloat16, Activation::kSilu, 67, 16, 16, 192, 8}, /*in_place=*/true);
    return print();
  }
  for (HalfType type : {HalfType::kBFloat16, HalfType::kFloat16}) {
    for (int64_t kernel = 3; kernel <= 9; ++kernel) {
      int i = 0;
      // Few images are computed in small blocks, many in large ones.
      for (const auto& [height, width] : {std::pair(1, 1),
                                          {7, 5},
                                          {14, 14},
                                          {16, 16},
                                          {24, 24},
                                          {32, 32},
                                          {33, 17},
                                          {36, 36},
                                          {13, 64},
                                          {64, 64}}) {
        for (const auto& [images, channels] : {std::pair(1, 8), {3, 72}, {80, 192}}) {
          ++i;
          check({type, kActivations[i % std::size(kActivations)].value, images, height, width,
                 channels, kernel},
                /*in_place=*/i % 2 == 0);
        }
      }
      for (const auto& [name, activation] : kActivations) {
        check({type, activation, 1, 16, 16, 768, kernel}, /*in_place=*/false);
        check({type, activation, 67, 16, 16, 768, kernel}, /*in_place=*/true);
      }
    }
  }
  return print();
}

void TimeDepthwise(const Checked& checked) {
  struct Network {
    int64_t channels, kernel, side;
    Activation activation;
  };
  for (const Network& network :
       {Network{768, 7, 32, Activation::kRelu}, Network{1536, 9, 32, Activation::kGelu},
        Network{1024, 9, 16, Activation::kGelu}}) {
    for (int64_t images : {1, 8, 32, 128}) {
      const DepthwiseShape shape = {HalfType::kBFloat16, network.activation, images,
                                    network.side,        network.side,       network.channels,
                                    network.kernel};
      const double us = Time(checked, shape);
      const double bytes = 4.0 * images * network.side * network.side * network.channels;
      std::printf(
          "{\"kernel\": \"depthwise\", \"shape\": \"%s\", \"us\": %.2f, \"us_image\": %.3f, "
          "\"gb_s\": %.0f}\n",
          Describe(shape).c_str(), us, us / images, bytes / us * 1e-3);
    }
  }
}

}  // namespace patchserve::cuda
