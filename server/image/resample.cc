#include "server/image/resample.h"

#include <algorithm>
#include <cstring>

#include "server/image/filter_weights.h"
#include "server/image/resample_passes.h"

namespace patchserve {
namespace {

// Pillow 13's choice, where both sides are filtered: rounding happens between the
// passes, so the order shows in the result.
bool VerticalFirst(const Image& image, int width, int height) {
  const int64_t rows_less = int64_t{image.height} - height;
  const int64_t columns_less = int64_t{image.width} - width;
  return rows_less > 0 && rows_less > 2 * columns_less;
}

size_t Stride(const Image& image) { return size_t{3} * image.width; }

Rows RowsFrom(const Image& image, int top, int left) {
  const size_t offset = top * Stride(image) + size_t{3} * left;
  return {image.pixels.get() + offset, Stride(image), image.size() - offset};
}

Image Crop(const Image& image, const Box& box) {
  Image result = Image::Uninitialized(box.width, box.height);
  const Rows rows = RowsFrom(image, box.top, box.left);
  for (int y = 0; y < box.height; ++y) {
    std::memcpy(&result.pixels[y * Stride(result)], rows.data + y * rows.stride, Stride(result));
  }
  return result;
}

// Filters each of the rows from `top`, `rows` of them.
Image Horizontally(const Image& image, const FilterWeights& weights, int top, int rows) {
  Image result = Image::Uninitialized(weights.outputs(), rows);
  ResampleAlongRows(RowsFrom(image, top, 0), rows, weights, result.pixels.get(), Stride(result));
  return result;
}

// Filters each of the columns from `left`, `columns` of them.
Image Vertically(const Image& image, const FilterWeights& weights, int left, int columns) {
  Image result = Image::Uninitialized(columns, weights.outputs());
  ResampleAcrossRows(RowsFrom(image, 0, left), 3 * columns, weights, result.pixels.get(),
                     Stride(result));
  return result;
}

}  // namespace

Image Resample(const Image& image, int width, int height, Interpolation interpolation,
               const Box& box) {
  const bool horizontal = width != image.width;
  const bool vertical = height != image.height;
  if (!horizontal && !vertical) return Crop(image, box);

  FilterWeights columns, rows;
  if (horizontal) {
    columns = ComputeWeights(image.width, width, interpolation, box.left, box.width);
  }
  if (vertical) rows = ComputeWeights(image.height, height, interpolation, box.top, box.height);
  if (!vertical) return Horizontally(image, columns, box.top, box.height);
  if (!horizontal) return Vertically(image, rows, box.left, box.width);

  if (VerticalFirst(image, width, height)) {
    const int left = columns.begin();
    const Image narrow = Vertically(image, rows, left, columns.end() - left);
    columns.Shift(-left);
    return Horizontally(narrow, columns, 0, narrow.height);
  }
  const int top = rows.begin();
  const Image low = Horizontally(image, columns, top, rows.end() - top);
  rows.Shift(-top);
  return Vertically(low, rows, 0, low.width);
}

}  // namespace patchserve
