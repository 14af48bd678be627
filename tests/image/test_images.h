// Pictures for the tests of the image module, and their expected results.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "server/image/image.h"

namespace patchserve {

using File = std::vector<uint8_t>;

// tests/data/images/`name`.
File ReadTestImage(const std::string& name);

// The lines of a tab-separated table, but for comments.
std::vector<std::vector<std::string>> ReadTable(const std::string& path);
std::string TestImagePath(const std::string& name);

// The first 32 hexadecimal digits of the SHA-256.
std::string Sha256(absl::Span<const uint8_t> bytes);
std::string Sha256(const Image& image);

// Decoded by ReadHeader and Decode, which must succeed.
Image DecodeTestImage(const std::string& name);

// Every pixel another value; `saturated`: only 0 and 255, which makes bicubic
// filters overshoot. The same numbers as noise() in tools/make_image_golden.py.
Image Noise(int width, int height, uint32_t seed, bool saturated = false);

Image Copy(const Image& image);
std::vector<uint8_t> Pixels(const Image& image);

}  // namespace patchserve
