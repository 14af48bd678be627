// The depthwise kernel: depthwise.h says what it computes.
//
// A block has all pixels of one image, of kGroups groups of 8 channels: a slice. It copies them to
// shared memory, computes one group after the other, or a few at the same time, and overwrites each
// with its results, which it copies back in long runs. So memory is read once and written once,
// and `out` may be `in`.
//
// A warp computes 16 x 16 places of a group on tensor cores, channel by channel. One row of the
// convolution's kernel is a matrix product [16, 16] * [16, 8] there:
//   A: rows 0 to 7 are every second row of the image, rows 8 to 15 the same 8 columns further
//   right;
//      16 neighbouring pixels of the row each, the first being kLeft left of the first result;
//   B: a Toeplitz matrix, B[k][n] = w[k - n], so that A * B has 8 neighbouring results of each row.
//      It has room for 9 weights a row.
// Each row of the image is loaded once, and multiplied for the two rows of results j = 0 and 1 that
// share it, with two neighbouring rows of the convolution's kernel.
#pragma once

#include <cstdint>

#include "server/model/cuda/curves.h"
#include "server/model/cuda/depthwise_plan.h"
#include "server/model/cuda/gpu.h"

namespace patchserve::cuda {

// T: BFloat16 or Float16. kGroups: 2 or 4. Started with a block for each slice (x) and image (y),
// of plan.warps() * 32 threads, with plan.bytes of shared memory.
template <typename Gpu, typename T, int kKernel, Curve kCurve, int kGroups>
class DepthwiseBlock {
 public:
  PATCHSERVE_GPU explicit DepthwiseBlock(const DepthwiseLaunch& launch)
      : launch_(launch),
        plan_(launch.plan),
        lane_(Gpu::Thread() % 32),
        warp_(Gpu::Thread() / 32),
        first_group_(Gpu::BlockX() * kGroups),
        row_bytes_(plan_.pitch * kGroups * kChunk) {}

  PATCHSERVE_GPU void Run() const {
    LoadPixels();
    int weights_at = plan_.weights_at;
    LoadWeights(0, weights_at);
    LoadVectors();
    Gpu::WaitForCopies();
    Gpu::Synchronise();

    const int tile = warp_ % plan_.tiles, place = warp_ / plan_.tiles;
    const int top = tile / plan_.tiles_across * kTileSide;
    const int left = tile % plan_.tiles_across * kTileSide;
    const int weights_bytes = plan_.groups_at_once * kWeightBytes;
#pragma unroll 1
    for (int first = 0; first < kGroups; first += plan_.groups_at_once) {
      const int next_weights_at = 2 * plan_.weights_at + weights_bytes - weights_at;
      if (first + plan_.groups_at_once < kGroups) {
        LoadWeights(first + plan_.groups_at_once, next_weights_at);
      }
      const int group = first + place;
      float sums[2][kChannelGroup][4];
      if (IsThere(group)) Convolve(group, weights_at + place * kWeightBytes, top, left, sums);
      if (kActivatesEarly) Activate(sums);
      // Until now others read the pixels that are overwritten next, and these weights.
      Gpu::WaitForCopies();
      Gpu::Synchronise();
      if (!kActivatesEarly) Activate(sums);
      if (IsThere(group)) AddTo(group, top, left, sums);
      weights_at = next_weights_at;
    }
    Gpu::Synchronise();
    StorePixels();
  }

 private:
  static constexpr int kChunk = sizeof(Chunk);
  static constexpr int kLeft = (kKernel - 1) / 2;  // pixels of padding at the left, and above
  static constexpr int kWeightBytes = ToeplitzBytes(kKernel);
  // Activations are computed while others still multiply, where registers suffice for both.
  static constexpr bool kActivatesEarly = kGroups == 4 && kCurve != Curve::kSigmoid;
  static constexpr int kThird = 8 * kGroups * kChunk;  // bytes of 8 pixels
  static constexpr int kColumnsAtOnce = 32 / kGroups;  // that a warp copies
  using Words = ToeplitzWords<kKernel>;

  // The last slice may have fewer groups.
  PATCHSERVE_GPU bool IsThere(int group) const {
    return (first_group_ + group) * kChannelGroup < launch_.channels;
  }

  // Where a pixel's group is in shared memory. Groups are permuted by bits of the column, which a
  // step of 8 columns doesn't change, and columns by a bit of the row, such that eight threads that
  // read chunks together, of 4 columns of rows r and r + 2, use all banks.
  PATCHSERVE_GPU int PixelAt(int row, int column, int group) const {
    const int turn = kGroups == 4 ? (column >> 1) & 3 : (column >> 2) & 1;
    const int swapped = column ^ ((row >> 1) & 1);
    return row * row_bytes_ + (swapped * kGroups + (group ^ turn)) * kChunk;
  }

  // Calls each(offset in the image, offset in shared memory, column, group): a warp has rows of its
  // own, a thread one of the groups.
  template <typename Each>
  PATCHSERVE_GPU void ForEachChunk(const Each& each) const {
    const int group = lane_ % kGroups;
    if (!IsThere(group)) return;
    const int pixel_bytes = launch_.channels * 2;
    const int warps = Gpu::Threads() / 32;
    for (int row = warp_; row < launch_.height; row += warps) {
      const int start = lane_ / kGroups;
      int from = (row * launch_.width + start) * pixel_bytes + (first_group_ + group) * kChunk;
      int to = PixelAt(row, start, group);
      for (int column = start; column < plan_.pitch; column += 4 * kColumnsAtOnce) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          each(from, to + i * kColumnsAtOnce * kGroups * kChunk, column + i * kColumnsAtOnce);
          from += kColumnsAtOnce * pixel_bytes;
        }
        to += 4 * kColumnsAtOnce * kGroups * kChunk;
      }
    }
  }

  PATCHSERVE_GPU int64_t ImageAt() const {
    return int64_t{Gpu::BlockY()} * launch_.height * launch_.width * launch_.channels * 2;
  }

  PATCHSERVE_GPU void LoadPixels() const {
    const unsigned char* image = launch_.in + ImageAt();
    ForEachChunk([&](int from, int to, int column) {
      if (column < plan_.pitch) Gpu::CopyChunk(to, image + from, column >= launch_.width);
    });
  }

  PATCHSERVE_GPU void StorePixels() const {
    unsigned char* image = launch_.out + ImageAt();
    ForEachChunk([&](int to, int from, int column) {
      if (column < launch_.width) Gpu::StoreToMemory(image + to, Gpu::LoadChunk(from));
    });
  }

  // Of the groups that are computed together with `group`.
  PATCHSERVE_GPU void LoadWeights(int group, int to) const {
    const unsigned char* from = launch_.weight + int64_t{first_group_ + group} * kWeightBytes;
    int bytes = plan_.groups_at_once * kWeightBytes;
    const int there = (launch_.channels / kChannelGroup - first_group_ - group) * kWeightBytes;
    if (bytes > there) bytes = there;
    for (int i = Gpu::Thread() * kChunk; i < bytes; i += Gpu::Threads() * kChunk) {
      Gpu::CopyChunk(to + i, from + i, /*zeros=*/false);
    }
  }

  PATCHSERVE_GPU void LoadVectors() const {
    constexpr int kChannels = kGroups * kChannelGroup;
    const int first = first_group_ * kChannelGroup;
    for (int i = Gpu::Thread(); i < kChannels && first + i < launch_.channels;
         i += Gpu::Threads()) {
      Gpu::StoreFloat(plan_.vectors_at + i * 4, launch_.bias[first + i]);
      Gpu::StoreFloat(plan_.vectors_at + (kChannels + i) * 4, launch_.scale[first + i]);
    }
    if (Gpu::Thread() < 3) Gpu::StoreChunk(plan_.zeros_at + Gpu::Thread() * kThird, Chunk{});
  }

  // sums[j][channel]: this thread's part of mma's result, of rows top + 2 * (lane / 4) + j.
  PATCHSERVE_GPU void Convolve(int group, int weights_at, int top, int left,
                               float (&sums)[2][kChannelGroup][4]) const {
    const int strip = lane_ / 4, pair = lane_ % 4;
#pragma unroll
    for (int channel = 0; channel < kChannelGroup; ++channel) {
      const float bias = Gpu::LoadFloat(plan_.vectors_at + (group * kChannelGroup + channel) * 4);
#pragma unroll
      for (int i = 0; i < 8; ++i) sums[i / 4][channel][i % 4] = bias;
    }

    // B has w[k - n] for n = strip and k = 2 * pair, 2 * pair + 1, and for k 8 further down.
    const int diagonal = pair - (strip >> 1);
    const int near_at = weights_at + WordOf(diagonal, strip & 1) * 4;
    const int far_at = weights_at + WordOf(diagonal + 4, strip & 1) * 4;

    // A's columns: two neighbouring ones, of which the second is 8 and the third 16 further right.
    // Only the first can be left of the image and only the third right of its padded rows.
    const int column = left - kLeft + 2 * pair;
    const bool in_first[2] = {column >= 0, column >= -1};
    const bool in_third[2] = {column + 16 < plan_.pitch, column + 17 < plan_.pitch};
    // In the row of the first results.
    const int at[2] = {PixelAt(top + 2 * strip, column, group),
                       PixelAt(top + 2 * strip, column + 1, group)};
    int row = top + 2 * strip;
    Gpu::Forget(row);

    uint32_t weights[2][kChannelGroup][2];  // B, of the kernel's last two rows
#pragma unroll
    for (int step = 0; step < kKernel + 1; ++step) {
      const int offset = step - kLeft;  // of the image's row from the first row of results
      const bool in_image = unsigned(row + offset) < unsigned(launch_.height);
      const int swizzle = ((offset + 64) >> 1 & 1) * kGroups * kChunk;  // against that row's
      uint32_t pixels[kChannelGroup][3];
#pragma unroll
      for (int third = 0; third < 3; ++third) {
        Chunk chunks[2];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          bool in = in_image;
          if (third == 0) in = in && in_first[i];
          if (third == 2) in = in && in_third[i];
          const int from = in ? (at[i] ^ swizzle) + offset * row_bytes_ : plan_.zeros_at;
          chunks[i] = Gpu::LoadChunk(from + third * kThird);
        }
#pragma unroll
        for (int word = 0; word < 4; ++word) {
          const uint32_t first = chunks[0].words[word], second = chunks[1].words[word];
          pixels[2 * word][third] = Gpu::Permute(first, second, 0x5410);
          pixels[2 * word + 1][third] = Gpu::Permute(first, second, 0x7632);
        }
      }
#pragma unroll
      for (int channel = 0; channel < kChannelGroup; ++channel) {
        if (step < kKernel) {
          const int from = (step * kChannelGroup + channel) * Words::kAll * 4;
          weights[step % 2][channel][0] = Gpu::LoadWord(near_at + from);
          weights[step % 2][channel][1] = Gpu::LoadWord(far_at + from);
        }
        const uint32_t(&p)[3] = pixels[channel];
        const uint32_t a[4] = {p[0], p[1], p[1], p[2]};
        // The row is the kernel's step'th from row 0 of the results, and its step - 1'th from
        // row 1.
        if (step > 0) Gpu::MultiplyAdd(T{}, sums[1][channel], a, weights[(step + 1) % 2][channel]);
        if (step < kKernel) Gpu::MultiplyAdd(T{}, sums[0][channel], a, weights[step % 2][channel]);
      }
    }
  }

  PATCHSERVE_GPU void Activate(float (&sums)[2][kChannelGroup][4]) const {
#pragma unroll
    for (int i = 0; i < 8 * kChannelGroup; ++i) {
      float& sum = sums[i / 4 % 2][i / 8][i % 4];
      sum = Activated<Gpu, kCurve>(sum, launch_.linear, launch_.cubic);
    }
  }

  // The index of the word (w[2 * i], w[2 * i + 1]), or if `odd` of (w[2 * i - 1], w[2 * i]).
  static PATCHSERVE_GPU int WordOf(int i, bool odd) {
    const int count = odd ? Words::kOdd : Words::kEven;
    if (i < 0 || i >= count) return Words::kZero;
    return odd ? Words::kEven + i : i;
  }

  // x + scale * activations, to where x is in shared memory.
  PATCHSERVE_GPU void AddTo(int group, int top, int left,
                            const float (&sums)[2][kChannelGroup][4]) const {
    const int strip = lane_ / 4, pair = lane_ % 4;
    float scale[kChannelGroup];
#pragma unroll
    for (int channel = 0; channel < kChannelGroup; ++channel) {
      scale[channel] =
          Gpu::LoadFloat(plan_.vectors_at + ((kGroups + group) * kChannelGroup + channel) * 4);
    }
    // The rows j = 0 and 1 are swizzled alike.
    const int at[2] = {PixelAt(top + 2 * strip, left + 2 * pair, group),
                       PixelAt(top + 2 * strip, left + 2 * pair + 1, group)};
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      if (top + 2 * strip + j >= launch_.height) break;
#pragma unroll
      for (int place = 0; place < 4; ++place) {  // columns 0, 1, 8, 9 from the first
        const int pixel_at = at[place % 2] + j * row_bytes_ + place / 2 * kThird;
        Chunk pixel = Gpu::LoadChunk(pixel_at);
#pragma unroll
        for (int word = 0; word < 4; ++word) {
          const int channel = 2 * word;
          const float first = scale[channel] * sums[j][channel][place];
          const float second = scale[channel + 1] * sums[j][channel + 1][place];
          pixel.words[word] = Gpu::Pack(T{}, Gpu::First(T{}, pixel.words[word]) + first,
                                        Gpu::Second(T{}, pixel.words[word]) + second);
        }
        Gpu::StoreChunk(pixel_at, pixel);
      }
    }
  }

  const DepthwiseLaunch& launch_;
  const DepthwisePlan& plan_;
  const int lane_, warp_;
  const int first_group_;  // of the slice
  const int row_bytes_;    // in shared memory
};

}  // namespace patchserve::cuda
