// The two passes of resampling over 8-bit RGB rows, in portable code and in AVX2:
// the same numbers in every byte.
#pragma once

#include <cstddef>
#include <cstdint>

#include "server/image/filter_weights.h"

namespace patchserve {

// RGB pixels in rows that start `stride` bytes apart.
struct Rows {
  const uint8_t* data = nullptr;
  size_t stride = 0;
  size_t readable = 0;  // bytes from `data` that may be read
};

// Along each of `rows` rows: writes weights.outputs() pixels a row to `out`, whose
// rows start `out_stride` bytes apart.
void ResampleAlongRows(const Rows& in, int rows, const FilterWeights& weights, uint8_t* out,
                       size_t out_stride);

// Across rows: writes weights.outputs() rows of `row_bytes` bytes to `out`.
void ResampleAcrossRows(const Rows& in, int row_bytes, const FilterWeights& weights, uint8_t* out,
                        size_t out_stride);

// One of the two ways of doing it; the functions above pick by the CPU.
struct ResamplePasses {
  decltype(&ResampleAlongRows) along_rows;
  decltype(&ResampleAcrossRows) across_rows;
};
ResamplePasses PortablePasses();
ResamplePasses Avx2Passes();
bool HasAvx2();

}  // namespace patchserve
