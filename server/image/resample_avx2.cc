// AVX2 multiplies 16-bit numbers in pairs (vpmaddwd), and a weight has 23 bits and
// a sign. So each weight is split, w = high * 2^15 + low, the two parts are summed
// apart, and sum = (high sum << 15) + low sum: exact, since all of it is integer
// arithmetic modulo 2^32 and the sum itself fits.
#include "server/image/resample_passes.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <vector>

#define TARGET_AVX2 __attribute__((target("avx2")))

namespace patchserve {
namespace {

constexpr int kLowBits = 15;
constexpr int32_t kHalf = 1 << (kWeightBits - 1);

int16_t High(int32_t weight) { return static_cast<int16_t>(weight >> kLowBits); }
int16_t Low(int32_t weight) { return static_cast<int16_t>(weight & ((1 << kLowBits) - 1)); }

// The eight weights of four taps.
struct Quad {
  int16_t high[4] = {};
  int16_t low[4] = {};
};

struct Quads {
  int per_output = 0;
  std::vector<Quad> quads;
  size_t read_end = 0;  // how far into a row the vector code reads, in bytes
};

Quads SplitForRows(const FilterWeights& weights) {
  Quads result;
  const int most = *std::max_element(weights.counts.begin(), weights.counts.end());
  result.per_output = (most + 3) / 4;
  result.quads.resize(static_cast<size_t>(weights.outputs()) * result.per_output);
  for (int x = 0; x < weights.outputs(); ++x) {
    const int32_t* const k = &weights.weights[static_cast<size_t>(x) * weights.taps];
    Quad* const quads = &result.quads[static_cast<size_t>(x) * result.per_output];
    for (int t = 0; t < weights.counts[x]; ++t) {
      quads[t / 4].high[t % 4] = High(k[t]);
      quads[t / 4].low[t % 4] = Low(k[t]);
    }
  }
  // The last quad reads 16 bytes, of which it uses 12.
  result.read_end = size_t{3} * (weights.first.back() + 4 * result.per_output) + 4;
  return result;
}

// The two parts of eight sums.
struct Sums {
  __m256i high;
  __m256i low;
};

TARGET_AVX2 inline Sums NoSums() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }

// Adds the products of pairs of 16-bit pixels and weights.
TARGET_AVX2 inline void Add(Sums& sums, __m256i pixels, __m256i k_high, __m256i k_low) {
  sums.high = _mm256_add_epi32(sums.high, _mm256_madd_epi16(pixels, k_high));
  sums.low = _mm256_add_epi32(sums.low, _mm256_madd_epi16(pixels, k_low));
  // No instruction, only an order: without it g++ 12 mixes the rows' additions, runs
  // out of registers and puts a sum into memory (a fifth slower).
  asm("" : "+x"(sums.high), "+x"(sums.low));
}

TARGET_AVX2 inline __m256i Joined(const Sums& sums) {
  return _mm256_add_epi32(_mm256_slli_epi32(sums.high, kLowBits), sums.low);
}

TARGET_AVX2 inline __m256i Rounded(__m256i sum) {
  return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(kHalf)), kWeightBits);
}

// Four RGB pixels: reds and greens in the lower half, blues in the upper, as
// 16-bit numbers.
TARGET_AVX2 inline __m256i FourPixels(const uint8_t* at) {
  const __m256i spread =
      _mm256_setr_epi8(0, -1, 3, -1, 6, -1, 9, -1, 1, -1, 4, -1, 7, -1, 10, -1,  //
                       2, -1, 5, -1, 8, -1, 11, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), spread);
}

// One output pixel of four rows, [r g b 0] each, from per_output quads.
TARGET_AVX2 inline __m128i PixelOfFourRows(const uint8_t* const in[4], size_t offset,
                                           const Quad* quad, int per_output) {
  // Variables, not arrays: g++ 12 leaves arrays in memory.
  Sums row0 = NoSums(), row1 = NoSums(), row2 = NoSums(), row3 = NoSums();
  for (const Quad* const end = quad + per_output; quad != end; ++quad, offset += 12) {
    int64_t high, low;
    std::memcpy(&high, quad->high, sizeof(high));
    std::memcpy(&low, quad->low, sizeof(low));
    const __m256i k_high = _mm256_set1_epi64x(high);
    const __m256i k_low = _mm256_set1_epi64x(low);
    Add(row0, FourPixels(in[0] + offset), k_high, k_low);
    Add(row1, FourPixels(in[1] + offset), k_high, k_low);
    Add(row2, FourPixels(in[2] + offset), k_high, k_low);
    Add(row3, FourPixels(in[3] + offset), k_high, k_low);
  }
  // [r r g g | b b 0 0] of each row -> [r0 g0 r1 g1 | b0 0 b1 0] of two rows ...
  const __m256i rows01 = Rounded(_mm256_hadd_epi32(Joined(row0), Joined(row1)));
  const __m256i rows23 = Rounded(_mm256_hadd_epi32(Joined(row2), Joined(row3)));
  // ... -> bytes, clipped -> four times [r g b 0].
  const __m256i words = _mm256_packs_epi32(rows01, rows23);
  const __m256i bytes = _mm256_packus_epi16(words, words);
  return _mm_unpacklo_epi16(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
}

// Four rows at once, so that each weight is loaded once for them.
TARGET_AVX2 void FourAlongRows(const uint8_t* const in[4], const FilterWeights& weights,
                               const Quads& split, uint8_t* const out[4]) {
  const Quad* quad = split.quads.data();
  const int outputs = weights.outputs();
  for (int x = 0; x < outputs; ++x, quad += split.per_output) {
    const size_t offset = size_t{3} * weights.first[x];
    const __m128i pixels = PixelOfFourRows(in, offset, quad, split.per_output);
    const uint32_t row[4] = {static_cast<uint32_t>(_mm_extract_epi32(pixels, 0)),
                             static_cast<uint32_t>(_mm_extract_epi32(pixels, 1)),
                             static_cast<uint32_t>(_mm_extract_epi32(pixels, 2)),
                             static_cast<uint32_t>(_mm_extract_epi32(pixels, 3))};
    // Four bytes are one store; the next pixel overwrites the fourth.
    if (x + 1 < outputs) {
      for (int r = 0; r < 4; ++r) std::memcpy(out[r] + size_t{3} * x, &row[r], 4);
    } else {
      for (int r = 0; r < 4; ++r) std::memcpy(out[r] + size_t{3} * x, &row[r], 3);
    }
  }
}

void AlongRows(const Rows& in, int rows, const FilterWeights& weights, uint8_t* out,
               size_t out_stride) {
  const Quads split = SplitForRows(weights);
  // The vector code reads a little past a row. Where that would leave the
  // picture, in the last row or so, it works on a copy.
  const size_t row_bytes = size_t{3} * weights.end();
  std::vector<uint8_t> copies;
  int safe_rows = rows;
  while (safe_rows > 0 && (safe_rows - 1) * in.stride + split.read_end > in.readable) --safe_rows;
  copies.resize((rows - safe_rows) * split.read_end);
  for (int y = safe_rows; y < rows; ++y) {
    std::memcpy(&copies[(y - safe_rows) * split.read_end], in.data + y * in.stride, row_bytes);
  }
  for (int y = 0; y < rows; y += 4) {
    const uint8_t* from[4];
    uint8_t* to[4];
    for (int r = 0; r < 4; ++r) {
      const int row = std::min(y + r, rows - 1);  // the last row may be done more than once
      from[r] =
          row < safe_rows ? in.data + row * in.stride : &copies[(row - safe_rows) * split.read_end];
      to[r] = out + row * out_stride;
    }
    FourAlongRows(from, weights, split, to);
  }
}

int32_t Pair(int16_t first, int16_t second) {
  return static_cast<int32_t>(static_cast<uint16_t>(first) |
                              static_cast<uint32_t>(static_cast<uint16_t>(second)) << 16);
}

TARGET_AVX2 inline __m256i Load(const uint8_t* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

// 32 bytes of one output row.
TARGET_AVX2 inline void BlockAcrossRows(const uint8_t* in, size_t stride, const int32_t* pairs,
                                        int taps, uint8_t* out) {
  const __m256i zero = _mm256_setzero_si256();
  Sums a = NoSums(), b = NoSums(), c = NoSums(), d = NoSums();
  for (int t = 0; t < taps; t += 2, pairs += 2, in += 2 * stride) {
    // Two rows, their bytes interleaved. An odd last row is paired with itself
    // and a weight of 0.
    const __m256i first = Load(in);
    const __m256i second = Load(t + 1 < taps ? in + stride : in);
    const __m256i lower = _mm256_unpacklo_epi8(first, second);
    const __m256i upper = _mm256_unpackhi_epi8(first, second);
    const __m256i k_high = _mm256_set1_epi32(pairs[0]);
    const __m256i k_low = _mm256_set1_epi32(pairs[1]);
    Add(a, _mm256_unpacklo_epi8(lower, zero), k_high, k_low);
    Add(b, _mm256_unpackhi_epi8(lower, zero), k_high, k_low);
    Add(c, _mm256_unpacklo_epi8(upper, zero), k_high, k_low);
    Add(d, _mm256_unpackhi_epi8(upper, zero), k_high, k_low);
  }
  const __m256i ab = _mm256_packs_epi32(Rounded(Joined(a)), Rounded(Joined(b)));
  const __m256i cd = _mm256_packs_epi32(Rounded(Joined(c)), Rounded(Joined(d)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_packus_epi16(ab, cd));
}

TARGET_AVX2 void AcrossRows(const Rows& in, int row_bytes, const FilterWeights& weights,
                            uint8_t* out, size_t out_stride) {
  constexpr int kBlock = 32;
  if (row_bytes < kBlock) {
    PortablePasses().across_rows(in, row_bytes, weights, out, out_stride);
    return;
  }
  std::vector<int32_t> pairs(weights.taps + 1);
  for (int y = 0; y < weights.outputs(); ++y) {
    const int32_t* const k = &weights.weights[static_cast<size_t>(y) * weights.taps];
    const int taps = weights.counts[y];
    for (int t = 0; t < taps; t += 2) {
      const int32_t second = t + 1 < taps ? k[t + 1] : 0;
      pairs[t] = Pair(High(k[t]), High(second));
      pairs[t + 1] = Pair(Low(k[t]), Low(second));
    }
    const uint8_t* const source = in.data + weights.first[y] * in.stride;
    uint8_t* const target = out + y * out_stride;
    for (int x = 0; x < row_bytes; x += kBlock) {
      const int at = std::min(x, row_bytes - kBlock);  // the last block overlaps the one before
      BlockAcrossRows(source + at, in.stride, pairs.data(), taps, target + at);
    }
  }
}

}  // namespace

bool HasAvx2() { return __builtin_cpu_supports("avx2"); }
ResamplePasses Avx2Passes() { return {AlongRows, AcrossRows}; }

}  // namespace patchserve

#else

namespace patchserve {

bool HasAvx2() { return false; }
ResamplePasses Avx2Passes() { return PortablePasses(); }

}  // namespace patchserve

#endif
