// Pictures that need no file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/image/preprocessing.h"

namespace patchserve {

// The same bytes as pixels() of tools/make_model_golden.py.
inline std::vector<uint8_t> Pixels(uint32_t index, size_t bytes) {
  uint32_t state = index + 1;
  std::vector<uint8_t> pixels(bytes);
  for (uint8_t& pixel : pixels) {
    state = state * 1664525u + 1013904223u;
    pixel = state >> 24;
  }
  return pixels;
}

// EngineOptions::photo.
inline std::shared_ptr<const uint8_t> PixelsAsPhoto(const Preprocessing& how) {
  const auto pixels = std::make_shared<std::vector<uint8_t>>(Pixels(3, how.bytes()));
  return {pixels, pixels->data()};
}

}  // namespace patchserve
