// How a model wants its pictures: the part of timm's pretrained_cfg that rules
// its evaluation transform (timm/data/transforms_factory.py).
#pragma once

#include <array>
#include <cstddef>

namespace patchserve {

enum class Interpolation { kBilinear, kBicubic };
enum class CropMode { kCenter, kSquash, kBorder };

struct Preprocessing {
  int width = 224;  // of the model's input, pixels
  int height = 224;
  Interpolation interpolation = Interpolation::kBicubic;
  CropMode crop_mode = CropMode::kCenter;
  double crop_pct = 0.875;                               // in (0, 1]
  std::array<float, 3> mean = {0.485f, 0.456f, 0.406f};  // R, G, B of x / 255
  std::array<float, 3> std = {0.229f, 0.224f, 0.225f};   // each > 0
  // Not timm's: turn photos upright by their orientation in EXIF or XMP first.
  bool apply_orientation = true;
  // Nor this: JPEGs much larger than the input are decoded at a fraction of their size.
  bool fast_decode = false;

  size_t bytes() const { return size_t{3} * width * height; }
};

}  // namespace patchserve
