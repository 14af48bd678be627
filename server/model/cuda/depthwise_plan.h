// How the depthwise kernel divides an image among its threads, and its shared memory. The host's
// code that starts the kernel and the kernel itself both follow this.
#pragma once

#include <cstdint>

namespace patchserve::cuda {

// A row of a kernel as words of two weights, from which all of a Toeplitz matrix is read. Even:
// (w0, w1), (w2, w3) ...; odd: (0, w0), (w1, w2) ...; and a word of zeros. Weights beyond the last
// are 0.
template <int kKernel>
struct ToeplitzWords {
  static constexpr int kEven = (kKernel + 1) / 2;
  static constexpr int kOdd = kKernel / 2 + 1;
  static constexpr int kZero = kEven + kOdd;  // its index
  static constexpr int kAll = kZero + 1;
};
constexpr int ToeplitzWordsOf(int kernel) { return (kernel + 1) / 2 + kernel / 2 + 2; }

constexpr int kChannelGroup = 8;  // of 16 bits: a chunk, and the channels that a warp has at once
constexpr int kTileSide = 16;     // a warp computes so many rows and columns

// Bytes of the packed weights of a channel group: [kernel, 8, ToeplitzWordsOf] words.
constexpr int ToeplitzBytes(int kernel) {
  return kernel * kChannelGroup * ToeplitzWordsOf(kernel) * int{sizeof(uint32_t)};
}

struct DepthwisePlan {
  int pitch;           // pixels from one row to the next in shared memory; the rest of a row is 0
  int tiles_across;    // in a row of tiles
  int tiles;           // in an image
  int groups_at_once;  // channel groups; a warp computes a tile of one
  // What is where in shared memory, in bytes; the pixels are at 0.
  int weights_at;  // of groups_at_once groups; twice, where a block's groups take more than one
                   // turn
  int vectors_at;  // bias, then scale, of the block's channels
  int zeros_at;    // a chunk of zeros, and 8 and 16 pixels on another two
  int bytes;       // in all

  constexpr int warps() const { return tiles * groups_at_once; }
};

// For a block of `groups` channel groups and at most `most_warps` warps: warps() is above that
// where there are more tiles.
constexpr DepthwisePlan PlanDepthwise(int kernel, int groups, int most_warps, int height,
                                      int width) {
  DepthwisePlan plan{};
  plan.tiles_across = (width + kTileSide - 1) / kTileSide;
  plan.tiles = (height + kTileSide - 1) / kTileSide * plan.tiles_across;
  plan.groups_at_once = groups;
  while (plan.groups_at_once > 1 && plan.warps() > most_warps) plan.groups_at_once /= 2;
  plan.pitch = plan.tiles_across * kTileSide;
  plan.weights_at = height * plan.pitch * groups * int{2 * kChannelGroup};
  plan.vectors_at = plan.weights_at + (groups > plan.groups_at_once ? 2 : 1) * plan.groups_at_once *
                                          ToeplitzBytes(kernel);
  plan.zeros_at = plan.vectors_at + groups * kChannelGroup * 2 * int{sizeof(float)};
  plan.bytes = plan.zeros_at + (16 * groups + 1) * int{2 * kChannelGroup};
  return plan;
}

// What the kernel is called with: depthwise.h says what the memory holds.
struct DepthwiseLaunch {
  const unsigned char* in;
  unsigned char* out;
  const unsigned char* weight;
  const float* bias;
  const float* scale;
  int height, width, channels;
  float linear, cubic;  // of ActivationCurve
  DepthwisePlan plan;
};

}  // namespace patchserve::cuda
