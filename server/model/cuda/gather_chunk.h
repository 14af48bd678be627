// The work of one thread of the gather kernel: compiled for the device, and for tests.
#pragma once

#include <cstdint>

#include "server/model/cuda/gather.h"

#ifdef __CUDACC__
#define PATCHSERVE_ON_DEVICE_TOO __host__ __device__
#else
#define PATCHSERVE_ON_DEVICE_TOO
#endif

namespace patchserve::cuda {

// What a thread reads of the host's memory at once, and so a warp in 512 bytes in a row.
constexpr int kChunk = 16;

struct alignas(16) Sixteen {
  uint32_t words[4];
};

PATCHSERVE_ON_DEVICE_TOO inline int64_t ChunksOf(const Gather& gather) {
  return (3 * gather.pixels + kChunk - 1) / kChunk;
}

// Writes the values chunk * kChunk, ... of an image, as many as there are up to kChunk. `Value`:
// the bits of gather.type. `table`: as gather.table. `convert`: float to Value, to the nearest.
template <typename Value, typename Convert>
PATCHSERVE_ON_DEVICE_TOO void GatherChunk(const Gather& gather, const Value* table, int image,
                                          int64_t chunk, const Convert& convert) {
  const int64_t values = 3 * gather.pixels, first = chunk * kChunk;
  const int count = values - first < kChunk ? static_cast<int>(values - first) : kChunk;
  const bool aligned = values % kChunk == 0;  // then each image of the batch is
  Value* const out = static_cast<Value*>(gather.out) + image * values + first;
  union {
    Value values[kChunk];
    Sixteen blocks[kChunk * sizeof(Value) / sizeof(Sixteen)];
  } to;
  int color = static_cast<int>(first % 3);
  if (gather.tensor[image / 32] >> image % 32 & 1) {
    const float* const planes = static_cast<const float*>(gather.images[image]);
    int64_t pixel = first / 3;
    for (int i = 0; i < count; ++i) {
      to.values[i] = convert(planes[color * gather.pixels + pixel]);
      if (++color == 3) color = 0, ++pixel;
    }
  } else {
    union {
      uint8_t pixels[kChunk];
      Sixteen block;
    } from;
    const uint8_t* const pixels = static_cast<const uint8_t*>(gather.images[image]) + first;
    if (aligned) {
      from.block = *reinterpret_cast<const Sixteen*>(pixels);
    } else {
      for (int i = 0; i < count; ++i) from.pixels[i] = pixels[i];
    }
    for (int i = 0; i < count; ++i) {
      to.values[i] = table[3 * from.pixels[i] + color];
      if (++color == 3) color = 0;
    }
  }
  if (aligned) {
    for (int i = 0; i < static_cast<int>(sizeof(to.blocks) / sizeof(Sixteen)); ++i) {
      reinterpret_cast<Sixteen*>(out)[i] = to.blocks[i];
    }
  } else {
    for (int i = 0; i < count; ++i) out[i] = to.values[i];
  }
}

}  // namespace patchserve::cuda
