// Checks our own kernels on the GPU against ATen in float32, and tells how long they take: a JSON
// object a line, with microseconds a launch and an image, and GB/s of what is read and written
// once.
//
//   kernel_check [--few]      one shape of each block, and no times: for compute-sanitizer
//
// Ends with 1 where a result is wrong, with 2 where there is no GPU or no library.

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/randn.h>
#include <c10/core/Event.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "server/model/cuda/depthwise_weights.h"
#include "server/model/cuda/library.h"
#include "server/model/engine.h"
#include "server/model/linear.h"

namespace patchserve::cuda {
namespace {

constexpr Activation kActivations[] = {Activation::kGelu, Activation::kGeluTanh,
                                       Activation::kQuickGelu, Activation::kRelu,
                                       Activation::kSilu};
const at::Device kGpu(at::kCUDA, 0);

std::string Describe(const DepthwiseShape& s) {
  char text[128];
  std::snprintf(text, sizeof(text), "%s kernel %d, %dx%dx%dx%d, activation %d",
                s.type == HalfType::kBFloat16 ? "bfloat16" : "float16", int(s.kernel),
                int(s.images), int(s.height), int(s.width), int(s.channels), int(s.activation));
  return text;
}

at::ScalarType TypeOf(const DepthwiseShape& shape) {
  return shape.type == HalfType::kBFloat16 ? at::kBFloat16 : at::kHalf;
}

// A layer of random numbers on the GPU, and both ways to compute it.
class Layer {
 public:
  Layer(const Kernels& kernels, const DepthwiseShape& shape)
      : kernels_(kernels),
        shape_(shape),
        stream_(c10::impl::VirtualGuardImpl(at::kCUDA).getStream(kGpu)),
        weight_(at::randn({shape.channels, 1, shape.kernel, shape.kernel})
                    .mul(0.2)
                    .to(TypeOf(shape))
                    .to(at::kFloat)),
        bias_(at::randn({shape.channels}).to(kGpu)),
        scale_(at::randn({shape.channels}).add(1).to(kGpu)) {
    const std::vector<uint32_t> packed = PackDepthwiseWeights(
        weight_.const_data_ptr<float>(), shape.channels, shape.kernel, shape.type);
    packed_ =
        at::from_blob(const_cast<uint32_t*>(packed.data()), {int64_t(packed.size())}, at::kInt)
            .to(kGpu);
    weight_ = weight_.to(kGpu);
  }

  at::Tensor RandomInput() const {
    return at::randn({shape_.images, shape_.height, shape_.width, shape_.channels},
                     at::TensorOptions(kGpu).dtype(at::kFloat))
        .to(TypeOf(shape_));
  }

  int Run(const at::Tensor& in, const at::Tensor& out) const {
    return kernels_.run_depthwise({.shape = shape_,
                                   .in = in.const_data_ptr(),
                                   .out = out.mutable_data_ptr(),
                                   .weight = static_cast<const uint32_t*>(packed_.const_data_ptr()),
                                   .bias = bias_.const_data_ptr<float>(),
                                   .scale = scale_.const_data_ptr<float>()},
                                  stream_.native_handle());
  }

  at::Tensor InFloat32(const at::Tensor& in) const {
    const at::Tensor x = in.to(at::kFloat).permute({0, 3, 1, 2}).contiguous();
    at::Tensor mixed = at::conv2d(x, weight_, bias_, /*stride=*/1, "same", /*dilation=*/1,
                                  /*groups=*/shape_.channels);
    Activate(shape_.activation, mixed);
    return (x + mixed * scale_.view({1, -1, 1, 1})).permute({0, 2, 3, 1});
  }

 private:
  const Kernels& kernels_;
  const DepthwiseShape shape_;
  const c10::Stream stream_;
  at::Tensor weight_, bias_, scale_, packed_;
};

// Whether each number is the one of float32, but for its own rounding and sums in another order.
bool Check(const Kernels& kernels, const DepthwiseShape& shape, bool in_place) {
  const Layer layer(kernels, shape);
  const at::Tensor in = layer.RandomInput();
  const at::Tensor expected = layer.InFloat32(in);
  const at::Tensor out = in_place ? in : at::full_like(in, NAN);
  if (const int error = layer.Run(in, out); error != 0) {
    std::fprintf(stderr, "FAILED: %s: %s\n", Describe(shape).c_str(), kernels.error_text(error));
    return false;
  }
  const double rounding = shape.type == HalfType::kBFloat16 ? 0x1p-8 : 0x1p-11;
  const at::Tensor got = out.to(at::kFloat);
  const at::Tensor over = (got - expected).abs() - expected.abs() * rounding;
  const double worst = over.max().item<double>();
  // A comparison with NaN is false.
  if (worst <= 1e-4) return true;
  std::fprintf(stderr, "FAILED: %s%s: %g beyond rounding\n", Describe(shape).c_str(),
               in_place ? ", in place" : "", worst);
  return false;
}

int CheckAll(const Kernels& kernels, bool few) {
  int checked = 0, failed = 0, not_taken = 0;
  const auto check = [&](const DepthwiseShape& shape, bool in_place) {
    if (!kernels.takes_depthwise(shape)) {
      ++not_taken;  // with 100 KiB of shared memory, the largest images
      return;
    }
    ++checked;
    failed += !Check(kernels, shape, in_place);
  };
  if (few) {
    check({HalfType::kBFloat16, Activation::kGelu, 1, 33, 17, 24, 9}, /*in_place=*/false);
    check({HalfType::kFloat16, Activation::kSilu, 67, 16, 16, 192, 8}, /*in_place=*/true);
    return failed;
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
          check({type, kActivations[i % 5], images, height, width, channels, kernel},
                /*in_place=*/i % 2 == 0);
        }
      }
      for (Activation activation : kActivations) {
        check({type, activation, 1, 16, 16, 768, kernel}, /*in_place=*/false);
        check({type, activation, 67, 16, 16, 768, kernel}, /*in_place=*/true);
      }
    }
  }
  std::printf("{\"kernel\": \"depthwise\", \"checked\": %d, \"wrong\": %d, \"not_taken\": %d}\n",
              checked, failed, not_taken);
  return failed;
}

// Launches one after the other, each with memory that isn't in the L2 cache; us a launch.
double Time(const Layer& layer, const DepthwiseShape& shape) {
  constexpr double kCacheBytes = 100e6;
  const double bytes = 2.0 * shape.images * shape.height * shape.width * shape.channels;
  const int buffers = 1 + int(kCacheBytes / bytes);
  std::vector<at::Tensor> in, out;
  for (int i = 0; i < buffers; ++i) {
    in.push_back(layer.RandomInput());
    out.push_back(at::empty_like(in.back()));
  }
  const c10::impl::VirtualGuardImpl gpu(at::kCUDA);
  const c10::Stream stream = gpu.getStream(kGpu);
  const int launches = buffers < 100 ? 200 : 2 * buffers;
  double least = 1e30;
  for (int repetition = 0; repetition < 5; ++repetition) {
    c10::Event begin(at::kCUDA, c10::EventFlag::BACKEND_DEFAULT);
    c10::Event end(at::kCUDA, c10::EventFlag::BACKEND_DEFAULT);
    begin.record(stream);
    for (int i = 0; i < launches; ++i) {
      layer.Run(in[i % buffers], out[i % buffers]);
    }
    end.record(stream);
    end.synchronize();
    least = std::min(least, begin.elapsedTime(end) * 1e3 / launches);
  }
  return least;
}

void TimeAll(const Kernels& kernels) {
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
      const double us = Time(Layer(kernels, shape), shape);
      const double bytes = 4.0 * images * network.side * network.side * network.channels;
      std::printf(
          "{\"kernel\": \"depthwise\", \"shape\": \"%s\", \"us\": %.2f, \"us_image\": %.3f, "
          "\"gb_s\": %.0f}\n",
          Describe(shape).c_str(), us, us / images, bytes / us * 1e-3);
    }
  }
}

}  // namespace
}  // namespace patchserve::cuda

int main(int argc, char** argv) {
  using namespace patchserve;
  const c10::InferenceMode no_autograd;
  const auto device = ResolveDevice("cuda:0");  // loads LibTorch's CUDA part
  if (!device.ok()) {
    std::fprintf(stderr, "%s\n", std::string(device.status().message()).c_str());
    return 2;
  }
  const auto kernels = cuda::LoadKernels();
  if (!kernels.ok()) {
    std::fprintf(stderr, "%s\n", std::string(kernels.status().message()).c_str());
    return 2;
  }
  const bool few = argc > 1 && std::string(argv[1]) == "--few";
  const int failed = cuda::CheckAll(**kernels, few);
  if (!few) cuda::TimeAll(**kernels);
  return failed > 0;
}
