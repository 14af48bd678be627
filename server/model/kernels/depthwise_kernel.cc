#include "server/model/kernels/depthwise.h"
#include "server/model/kernels/vector.h"

namespace patchserve::KERNEL_ISA {
namespace {

// The rows of the image that the kernel covers, one slot a row and round again: converted,
// scaled and shifted, so that the sums below are loads and multiply-adds alone.
template <typename T>
class Rows {
 public:
  static constexpr int kVectors = kDepthwiseUnit<T> / kLanes;

  explicit Rows(const DepthwiseStep<T>& step)
      : step_(step),
        left_((step.kernel - 1) / 2),
        row_(DepthwiseRowWidth(step.kernel, step.width) * kLanes) {
    const int64_t floats = step.kernel * kVectors * row_;
    for (int64_t i = 0; i < floats; i += kLanes) Store(Vec{}, step.rows + i);
    for (int64_t y = 0; y < step.kernel - 1 - left_; ++y) Enter(y);
  }

  // Row y of the image; zeros where the image has no such row.
  void Enter(int64_t y) {
    const int64_t count = step_.channels - step_.first;
    for (int v = 0; v < kVectors; ++v) {
      float* to = Of(y, v) + left_ * kLanes;
      const T* from = step_.in + y * step_.width * step_.channels + step_.first + v * kLanes;
      const Vec scale = Load(step_.in_scale + v * kLanes);
      const Vec shift = Load(step_.in_shift + v * kLanes);
      for (int64_t x = 0; x < step_.width; ++x, to += kLanes) {
        const bool inside = y < step_.height;
        Store(inside ? Load(from + x * step_.channels, count - v * kLanes) * scale + shift : Vec{},
              to);
      }
    }
  }

  // The v'th vector of channels of row y, from the left padding on.
  float* Of(int64_t y, int v) const {
    return step_.rows + ((y + step_.kernel) % step_.kernel * kVectors + v) * row_;
  }
  int64_t left() const { return left_; }

 private:
  const DepthwiseStep<T>& step_;
  const int64_t left_;
  const int64_t row_;
};

// `kWidth` places of row y from x on; those beyond the image aren't written.
template <int kWidth, Activation activation, typename T>
inline void Tile(const DepthwiseStep<T>& step, const Rows<T>& rows, int64_t y, int64_t x, int v) {
  const int64_t kernel = step.kernel, group = v * kLanes / kDepthwiseGroup;
  const float* weight =
      step.weight + group * kernel * kernel * kDepthwiseGroup + v * kLanes % kDepthwiseGroup;
  Vec sums[kWidth] = {};
  for (int64_t ky = 0; ky < kernel; ++ky) {
    const float* row = rows.Of(y - rows.left() + ky, v) + x * kLanes;
    for (int64_t kx = 0; kx < kernel; ++kx, row += kLanes, weight += kDepthwiseGroup) {
      const Vec w = Load(weight);
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i) sums[i] += Load(row + i * kLanes) * w;
    }
  }
  const Vec bias = Load(step.bias + v * kLanes), scale = Load(step.out_scale + v * kLanes);
  const float* centre = rows.Of(y, v) + (x + rows.left()) * kLanes;
  const int64_t count = step.channels - step.first - v * kLanes;
  T* out = step.out + (y * step.width + x) * step.channels + step.first + v * kLanes;
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i) {
    sums[i] = Load(centre + i * kLanes) + scale * Activated<activation>(sums[i] + bias);
  }
  if (x + kWidth <= step.width && count >= kLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) Store(sums[i], out + i * step.channels);
  } else {
    for (int i = 0; i < kWidth && x + i < step.width; ++i) {
      Store(sums[i], out + i * step.channels, count);
    }
  }
}

template <Activation activation, typename T>
void Run(const DepthwiseStep<T>& step) {
  Rows<T> rows(step);
  for (int64_t y = 0; y < step.height; ++y) {
    rows.Enter(y + step.kernel - 1 - rows.left());
    for (int v = 0; v < Rows<T>::kVectors; ++v) {
      if (step.first + v * kLanes >= step.channels) break;
      // With 16 registers there is room for 8 sums and what goes into them, with 32 for 16.
      for (int64_t x = 0; x < step.width;) {
        if (kLanes == 16 && step.width - x > 8) {
          Tile<16, activation>(step, rows, y, x, v);
          x += 16;
        } else {
          Tile<8, activation>(step, rows, y, x, v);
          x += 8;
        }
      }
    }
  }
}

template <typename T>
void RunAny(const DepthwiseStep<T>& step) {
  switch (step.activation) {
    case Activation::kGelu:
      return Run<Activation::kGelu>(step);
    case Activation::kGeluTanh:
      return Run<Activation::kGeluTanh>(step);
    case Activation::kQuickGelu:
      return Run<Activation::kQuickGelu>(step);
    case Activation::kRelu:
      return Run<Activation::kRelu>(step);
    case Activation::kSilu:
      return Run<Activation::kSilu>(step);
  }
}

}  // namespace

void RunDepthwise(const DepthwiseStep<float>& step) { RunAny(step); }
void RunDepthwise(const DepthwiseStep<uint16_t>& step) { RunAny(step); }

}  // namespace patchserve::KERNEL_ISA
