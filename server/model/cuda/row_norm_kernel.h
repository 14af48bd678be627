// The kernel of LayerNorm and RMSNorm: row_norm.h says what it computes.
//
// A warp has a row, which it keeps in registers: memory is read once and written once, and the
// variance is that of numbers whose mean is known. A thread reads 16 bytes of every 512.
#pragma once

#include <cstdint>

#include "server/model/cuda/gpu.h"
#include "server/model/cuda/row_norm.h"

namespace patchserve::cuda {

constexpr int kRowNormWarps = 4;  // of a block
// Numbers in a Chunk; and of a row for each chunk that a thread has.
constexpr int kNumbers = 8, kWarpNumbers = 32 * kNumbers;
constexpr int kMostRowNormChunks = 8;

constexpr bool TakesRowNorm(const RowNormShape& shape) {
  return shape.rows > 0 && shape.rows <= int64_t{1} << 32 && shape.dim > 0 &&
         shape.dim % kNumbers == 0 && shape.dim <= kMostRowNormChunks * kWarpNumbers;
}

// How many chunks of the row a thread has, at most.
constexpr int RowNormChunks(int64_t dim) {
  return static_cast<int>((dim + kWarpNumbers - 1) / kWarpNumbers);
}

// T: BFloat16 or Float16. kChunks: RowNormChunks(dim). Started with a warp for each row, in blocks
// of kRowNormWarps.
template <typename Gpu, typename T, int kChunks>
class RowNormWarp {
 public:
  PATCHSERVE_GPU explicit RowNormWarp(const RowNorm& norm)
      : norm_(norm),
        lane_(Gpu::Thread() % 32),
        row_(int64_t{Gpu::BlockX()} * kRowNormWarps + Gpu::Thread() / 32) {}

  PATCHSERVE_GPU void Run() const {
    if (row_ >= norm_.shape.rows) return;
    Chunk words[kChunks] = {};
#pragma unroll
    for (int i = 0; i < kChunks; ++i) {  // all are under way before the first is used
      if (IsThere(i)) words[i] = Load(norm_.in, row_, i);
    }
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kChunks; ++i) {
      float x[kNumbers];
      Unpack(words[i], x);
      for (int j = 0; j < kNumbers; ++j) sum += x[j];
    }
    const float dim = static_cast<float>(norm_.shape.dim);
    const float mean = norm_.bias == nullptr ? 0 : SumOfWarp(sum) / dim;
    float squares = 0;
#pragma unroll
    for (int i = 0; i < kChunks; ++i) {
      if (IsThere(i)) {
        float x[kNumbers];
        Unpack(words[i], x);
        for (int j = 0; j < kNumbers; ++j) squares += (x[j] - mean) * (x[j] - mean);
      }
    }
    const float scale = Gpu::ReciprocalRoot(SumOfWarp(squares) / dim + norm_.epsilon);
#pragma unroll
    for (int i = 0; i < kChunks; ++i) {
      if (IsThere(i)) Store(i, words[i], mean, scale);
    }
  }

 private:
  PATCHSERVE_GPU int FirstOf(int chunk) const { return (lane_ + chunk * 32) * kNumbers; }
  PATCHSERVE_GPU bool IsThere(int chunk) const { return FirstOf(chunk) < norm_.shape.dim; }
  PATCHSERVE_GPU int64_t BytesTo(int64_t row, int chunk) const {
    return (row * norm_.shape.dim + FirstOf(chunk)) * 2;
  }

  PATCHSERVE_GPU Chunk Load(const void* matrix, int64_t row, int chunk) const {
    return Gpu::LoadFromMemory(static_cast<const unsigned char*>(matrix) + BytesTo(row, chunk));
  }
  static PATCHSERVE_GPU void Unpack(const Chunk& words, float (&x)[kNumbers]) {
    for (int j = 0; j < kNumbers; j += 2) {
      x[j] = Gpu::First(T(), words.words[j / 2]);
      x[j + 1] = Gpu::Second(T(), words.words[j / 2]);
    }
  }

  PATCHSERVE_GPU void Store(int chunk, const Chunk& words, float mean, float scale) const {
    float x[kNumbers], weight[kNumbers], bias[kNumbers] = {};
    Unpack(words, x);
    Unpack(Load(norm_.weight, 0, chunk), weight);
    if (norm_.bias != nullptr) Unpack(Load(norm_.bias, 0, chunk), bias);
    for (int j = 0; j < kNumbers; ++j) x[j] = (x[j] - mean) * scale * weight[j] + bias[j];
    Chunk result;
    for (int j = 0; j < kNumbers; j += 2) result.words[j / 2] = Gpu::Pack(T(), x[j], x[j + 1]);
    Gpu::StoreToMemory(static_cast<unsigned char*>(norm_.out) + BytesTo(row_, chunk), result);
  }

  static PATCHSERVE_GPU float SumOfWarp(float value) {
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2) value += Gpu::FromPartner(value, mask);
    return value;
  }

  const RowNorm& norm_;
  const int lane_;
  const int64_t row_;
};

}  // namespace patchserve::cuda
