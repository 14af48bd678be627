#include "server/model/kernels/depthwise.h"
#include "server/model/kernels/vector.h"

namespace patchserve::KERNEL_ISA {
namespace {

// The rows of the image that the kernel covers, one slot a row and round again: converted,
// scaled and shifted, so that the sums below are loads and multiply-adds alone. A pair is of a
// place and the next.
template <typename Word, typename T>
class Rows {
 public:
  static constexpr int kVectors = kDepthwiseUnit<T> / kLanes;

  explicit Rows(const DepthwiseStep<T>& step)
      : step_(step),
        left_((step.kernel - 1) / 2),
        row_(DepthwiseRowWidth(step.kernel, step.width) * kLanes) {
    const int64_t words = step.kernel * kVectors * row_;
    for (int64_t i = 0; i < words; i += kLanes) Store(WordVec<Word>{}, Slots() + i);
    for (int64_t y = 0; y < step.kernel - 1 - left_; ++y) Enter(y);
  }

  // Row y of the image; zeros where the image has no such row.
  void Enter(int64_t y) {
    for (int v = 0; v < kVectors; ++v) {
      Word* to = Of(y, v) + left_ * kLanes;
      if (y < step_.height) {
        Enter(step_.in + y * step_.width * step_.channels, v, to);
      } else {
        for (int64_t x = left_ > 0 ? -1 : 0; x < step_.width; ++x) {
          Store(WordVec<Word>{}, to + x * kLanes);
        }
      }
    }
  }

  // The v'th vector of channels of row y, from the left padding on.
  Word* Of(int64_t y, int v) const {
    return Slots() + ((y + step_.kernel) % step_.kernel * kVectors + v) * row_;
  }
  int64_t left() const { return left_; }

 private:
  Word* Slots() const { return reinterpret_cast<Word*>(step_.rows); }

  void Enter(const T* row, int v, Word* to) {
    const int64_t first = step_.first + v * kLanes, count = step_.channels - first;
    const Vec scale = Load(step_.in_scale + v * kLanes);
    const Vec shift = Load(step_.in_shift + v * kLanes);
    const auto at = [&](int64_t x) {
      const T* place = row + x * step_.channels + first;
      __builtin_prefetch(place + step_.width * step_.channels);  // for the next row
      return Load(place, count) * scale + shift;
    };
    if constexpr (kNumbers<Word> == 1) {
      for (int64_t x = 0; x < step_.width; ++x) Store(at(x), to + x * kLanes);
    } else {
      HalfVec before = {};
      for (int64_t x = 0; x < step_.width; ++x) {
        const HalfVec here = Rounded(at(x));
        if (x > 0 || left_ > 0) Store(Pairs(before, here), to + (x - 1) * kLanes);
        before = here;
      }
      Store(Pairs(before, HalfVec{}), to + (step_.width - 1) * kLanes);
    }
  }

  const DepthwiseStep<T>& step_;
  const int64_t left_;
  const int64_t row_;
};

inline Vec First(Vec word) { return word; }
inline Vec First(IntVec pair) { return (Vec)(pair << 16); }

template <typename T>
const float* WeightsOf(const DepthwiseStep<T>& step, float) {
  return step.weight;
}
template <typename T>
const int32_t* WeightsOf(const DepthwiseStep<T>& step, int32_t) {
  return step.pairs;
}

// `kWidth` places of row y from x on; those beyond the image aren't written.
template <int kWidth, Activation activation, typename Word, typename T>
inline void Tile(const DepthwiseStep<T>& step, const Rows<Word, T>& rows, int64_t y, int64_t x,
                 int v) {
  const int64_t kernel = step.kernel, group = v * kLanes / kDepthwiseGroup;
  const int64_t words = (kernel + kNumbers<Word> - 1) / kNumbers<Word>;  // of a kernel's row
  const Word* weight = WeightsOf(step, Word()) + group * kernel * words * kDepthwiseGroup +
                       v * kLanes % kDepthwiseGroup;
  Vec sums[kWidth] = {};
  for (int64_t ky = 0; ky < kernel; ++ky) {
    const Word* row = rows.Of(y - rows.left() + ky, v) + x * kLanes;
    for (int64_t kx = 0; kx < words; ++kx, row += kNumbers<Word> * kLanes) {
      const auto w = Load(weight);
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i) sums[i] = AddProduct(sums[i], Load(row + i * kLanes), w);
      weight += kDepthwiseGroup;
    }
  }
  const Vec bias = Load(step.bias + v * kLanes), scale = Load(step.out_scale + v * kLanes);
  const Word* centre = rows.Of(y, v) + (x + rows.left()) * kLanes;
  const int64_t count = step.channels - step.first - v * kLanes;
  T* out = step.out + (y * step.width + x) * step.channels + step.first + v * kLanes;
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i) {
    sums[i] = First(Load(centre + i * kLanes)) + scale * Activated<activation>(sums[i] + bias);
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

template <typename Word, Activation activation, typename T>
void Run(const DepthwiseStep<T>& step) {
  Rows<Word, T> rows(step);
  for (int64_t y = 0; y < step.height; ++y) {
    rows.Enter(y + step.kernel - 1 - rows.left());
    for (int v = 0; v < Rows<Word, T>::kVectors; ++v) {
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

template <typename Word, typename T>
void RunAny(const DepthwiseStep<T>& step) {
  WithConstant(step.activation, [&](auto activation) { Run<Word, activation()>(step); });
}

}  // namespace

void RunDepthwise(const DepthwiseStep<float>& step) { RunAny<float>(step); }
void RunDepthwise(const DepthwiseStep<uint16_t>& step) {
  if constexpr (kHasPairs) {
    RunAny<int32_t>(step);
  } else {
    RunAny<float>(step);
  }
}

}  // namespace patchserve::KERNEL_ISA
