#include <opencv2/core.hpp>
#include <utility>

#include "server/image/decode.h"

namespace patchserve {
namespace {

cv::Mat View(const Image& image) {
  return cv::Mat(image.height, image.width, CV_8UC3, image.pixels.get());
}

// cv::flip's codes.
constexpr int kTopToBottom = 0;
constexpr int kLeftToRight = 1;
constexpr int kBoth = -1;

Image Flipped(Image image, int code) {
  const cv::Mat pixels = View(image);
  cv::flip(pixels, pixels, code);  // works in place
  return image;
}

// Rows become columns.
Image Transposed(const Image& image) {
  Image result = Image::Uninitialized(image.height, image.width);
  cv::Mat target = View(result);
  cv::transpose(View(image), target);
  return result;
}

}  // namespace

Image Upright(Image image, int orientation) {
  switch (orientation) {
    case 2:
      return Flipped(std::move(image), kLeftToRight);
    case 3:
      return Flipped(std::move(image), kBoth);
    case 4:
      return Flipped(std::move(image), kTopToBottom);
    case 5:
      return Transposed(image);
    case 6:
      return Flipped(Transposed(image), kLeftToRight);
    case 7:
      return Flipped(Transposed(image), kBoth);
    case 8:
      return Flipped(Transposed(image), kTopToBottom);
    default:
      return image;
  }
}

}  // namespace patchserve
