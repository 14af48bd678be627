#include "tests/model/fake_kernels.h"

#include <c10/util/BFloat16.h>

#include <cmath>

#include "tests/model/cuda/reference.h"
#include "tests/model/fake_gather.h"

namespace patchserve {
namespace {

FakeKernels* fake = nullptr;

float Activated(Activation activation, float x) {
  return static_cast<float>(cuda::Activated(activation, x));
}

float At(const float* numbers, int64_t i, float otherwise) {
  return numbers == nullptr ? otherwise : numbers[i];
}

const char* ErrorText(int error) { return error == 1 ? "invalid argument" : "another error"; }

int GemmTiles(const cuda::GemmShape& shape) {
  const bool fits = shape.n % fake->multiple_of == 0 && shape.k % fake->multiple_of == 0;
  const bool has_norm =
      shape.activation == Activation::kGelu || shape.activation == Activation::kRelu;
  if (!fits || (shape.then == cuda::GemmThen::kActivationNorm && !has_norm)) return 0;
  return fake->tile_times.size();
}

// As depthwise_weights.h says: the even words of a row are w0 w1, w2 w3 and so on.
float PackedWeight(const cuda::Depthwise& d, int64_t channel, int64_t row, int64_t column) {
  const int64_t kernel = d.shape.kernel, words = (kernel + 1) / 2 + kernel / 2 + 2;
  const int64_t at = (channel / 8 * kernel + row) * 8 + channel % 8;
  const uint32_t word = d.weight[at * words + column / 2];
  return c10::detail::f32_from_bits(column % 2 == 0 ? word & 0xffff : word >> 16);
}

bool TakesDepthwise(const cuda::DepthwiseShape& shape) {
  return fake->takes_depthwise && shape.type == cuda::HalfType::kBFloat16 && shape.kernel >= 3 &&
         shape.kernel <= 9 && shape.channels % 8 == 0;
}

int RunDepthwise(const cuda::Depthwise& d, cuda::Stream) {
  if (!TakesDepthwise(d.shape)) return 1;
  fake->depthwises.push_back(d.shape);
  const auto* const in = static_cast<const c10::BFloat16*>(d.in);
  auto* const out = static_cast<c10::BFloat16*>(d.out);
  const auto& [type, activation, images, height, width, channels, kernel] = d.shape;
  const int64_t before = (kernel - 1) / 2;
  for (int64_t i = 0; i < images * height * width * channels; ++i) {
    const int64_t c = i % channels, x = i / channels % width, y = i / channels / width % height;
    float sum = d.bias[c];
    for (int64_t row = 0; row < kernel; ++row) {
      for (int64_t column = 0; column < kernel; ++column) {
        const int64_t dy = row - before, dx = column - before;
        if (y + dy < 0 || y + dy >= height || x + dx < 0 || x + dx >= width) continue;
        sum += PackedWeight(d, c, row, column) * in[i + (dy * width + dx) * channels];
      }
    }
    const float residual = fake->wrong_depthwise ? 0 : static_cast<float>(in[i]);
    out[i] = residual + d.scale[c] * Activated(activation, sum);
  }
  return 0;
}

bool TakesNorm(const cuda::RowNormShape& shape) {
  return fake->takes_norm && shape.type == cuda::HalfType::kBFloat16 &&
         shape.dim % fake->multiple_of == 0;
}

int RunNorm(const cuda::RowNorm& norm, cuda::Stream) {
  if (!TakesNorm(norm.shape)) return 1;
  fake->norms.push_back(norm.shape);
  const int64_t dim = norm.shape.dim;
  const auto* const weight = static_cast<const c10::BFloat16*>(norm.weight);
  const auto* const bias = static_cast<const c10::BFloat16*>(norm.bias);
  for (int64_t row = 0; row < norm.shape.rows; ++row) {
    const auto* const x = static_cast<const c10::BFloat16*>(norm.in) + row * dim;
    auto* const to = static_cast<c10::BFloat16*>(norm.out) + row * dim;
    float mean = 0, squares = 0;
    for (int64_t i = 0; bias != nullptr && i < dim; ++i) mean += static_cast<float>(x[i]) / dim;
    for (int64_t i = 0; i < dim; ++i) squares += (x[i] - mean) * (x[i] - mean) / dim;
    for (int64_t i = 0; i < dim; ++i) {
      const float added = bias == nullptr || fake->wrong_norm ? 0 : static_cast<float>(bias[i]);
      to[i] = (x[i] - mean) / std::sqrt(squares + norm.epsilon) * weight[i] + added;
    }
  }
  return 0;
}

int RunGather(const cuda::Gather& gather, cuda::Stream) {
  GatherOnCpu(gather);
  if (fake->wrong_gather) static_cast<char*>(gather.out)[3] ^= 1;
  return 0;
}

bool IsCapturing(cuda::Stream) { return fake->capturing; }

}  // namespace

int RunFakeGemm(const cuda::Gemm& gemm, int tile, cuda::Stream) {
  const cuda::GemmShape& shape = gemm.shape;
  if (tile >= GemmTiles(shape) || tile == fake->failing_tile) return 1;
  fake->gemms.push_back({shape, tile});
  fake->clock_ += fake->tile_times[tile];
  const auto* const a = static_cast<const c10::BFloat16*>(gemm.a);
  const auto* const b = static_cast<const c10::BFloat16*>(gemm.b);
  const auto* const residual = static_cast<const c10::BFloat16*>(gemm.residual);
  auto* const d = static_cast<c10::BFloat16*>(gemm.d);
  for (int64_t i = 0; i < shape.m * shape.n; ++i) {
    const int64_t row = i / shape.n, column = i % shape.n;
    float value = At(gemm.bias, column, 0);
    for (int64_t k = 0; k < shape.k; ++k) {
      value += static_cast<float>(a[row * shape.k + k]) * b[column * shape.k + k];
    }
    switch (shape.then) {
      case cuda::GemmThen::kNothing:
        break;
      case cuda::GemmThen::kActivation:
        value = Activated(shape.activation, value);
        break;
      case cuda::GemmThen::kActivationNorm:
        value = gemm.shift[column] + gemm.scale[column] * Activated(shape.activation, value);
        break;
      case cuda::GemmThen::kResidual:
        value += residual[i];
    }
    d[i] = value;
  }
  if (tile == fake->wrong_tile) d[shape.m * shape.n - 1] = d[shape.m * shape.n - 1] + 1;
  return 0;
}

namespace {
constexpr cuda::Kernels kTable = {.size = sizeof(cuda::Kernels),
                                  .error_text = ErrorText,
                                  .takes_depthwise = TakesDepthwise,
                                  .run_depthwise = RunDepthwise,
                                  .takes_norm = TakesNorm,
                                  .run_norm = RunNorm,
                                  .run_gather = RunGather,
                                  .gemm_tiles = GemmTiles,
                                  .run_gemm = RunFakeGemm,
                                  .is_capturing = IsCapturing};
}  // namespace

FakeKernels::FakeKernels()
    : kernels_(kTable,
               [this](const at::Device&, absl::FunctionRef<void()> run) { return Time(run); }) {
  fake = this;
}

const cuda::Kernels& FakeKernels::table() const { return kTable; }

FakeKernels::~FakeKernels() { fake = nullptr; }

double FakeKernels::Time(absl::FunctionRef<void()> run) {
  ++timings;
  const double start = clock_;
  run();
  return clock_ == start ? steps_time : clock_ - start;
}

}  // namespace patchserve
