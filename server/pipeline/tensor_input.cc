#include "server/pipeline/tensor_input.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace patchserve {
namespace {

float FromBFloat16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

// IEEE 754 binary16: one sign bit, five of exponent (bias 15), ten of fraction.
float FromFloat16(uint16_t bits) {
  const uint32_t sign = uint32_t{bits} >> 15 << 31;
  const uint32_t exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  if (exponent == 0) {  // zero and subnormal
    const float value = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -value : value;
  }
  const uint32_t rebiased = exponent == 0x1f ? 0xff : exponent + (127 - 15);
  return std::bit_cast<float>(sign | rebiased << 23 | fraction << 13);
}

template <float (*convert)(uint16_t)>
void ReadHalves(const uint8_t* from, size_t count, float* to) {
  for (size_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, from + 2 * i, 2);
    to[i] = convert(bits);
  }
}

}  // namespace

int SizeOf(TensorType type) { return type == TensorType::kFloat32 ? 4 : 2; }

absl::StatusOr<ImageInfo> CheckTensor(const TensorImage& image, const Preprocessing& how) {
  const size_t expected = size_t{3} * how.height * how.width * SizeOf(image.type);
  if (image.values.size() != expected) {
    return absl::InvalidArgumentError(absl::StrCat("tensor has ", image.values.size(), " bytes, 3x",
                                                   how.height, "x", how.width, " values of ",
                                                   SizeOf(image.type), " need ", expected));
  }
  return ImageInfo{ImageFormat::kTensor, how.width, how.height, 1};
}

void ReadTensor(const TensorImage& image, float* to) {
  const size_t count = image.values.size() / SizeOf(image.type);
  switch (image.type) {
    case TensorType::kFloat32:
      std::memcpy(to, image.values.data(), image.values.size());
      break;
    case TensorType::kFloat16:
      ReadHalves<FromFloat16>(image.values.data(), count, to);
      break;
    case TensorType::kBFloat16:
      ReadHalves<FromBFloat16>(image.values.data(), count, to);
      break;
  }
}

}  // namespace patchserve
