#include "server/image/decode.h"

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/image/bmp.h"
#include "server/image/cmyk_jpeg.h"
#include "server/image/jpeg_header.h"
#include "server/image/png_header.h"
#include "server/image/quiet_codecs.h"
#include "server/image/webp_memory.h"

namespace patchserve {
namespace {

// libjpeg writes 10 scans of a progressive picture in colour, and 18 of one in CMYK, which the
// largest photos may have. Each costs a pass over all blocks, 0.25 ns a pixel on an AMD EPYC, Zen 5
// (2026-11-28), however few bytes it has: a small file of thousands would hold a thread for
// minutes.
constexpr int64_t kMaxJpegScans = 200;
constexpr int64_t kMaxScannedPixels = 1'000'000'000;

// A PNG file of so many bytes unpacks to a gigabyte at most, whatever the size of its picture: that
// takes two seconds.
constexpr size_t kQuickPngBytes = 1'000'000;

// For libwebp's tables and rows beside what is charged a pixel. Pillow's files took 2.1 MB at most
// (lossy, 16383x200; libwebp 1.2.4, 2026-11-28).
constexpr int64_t kWebPTables = 4'000'000;

absl::Status Damaged() { return absl::InvalidArgumentError(kDamagedImage); }

// Decodes into `pixels`, of `type`. False where the file can't be decoded or has another size.
bool DecodeInto(absl::Span<const uint8_t> file, int flags, int type, int width, int height,
                void* pixels) {
  if (!std::in_range<int>(file.size())) return false;  // an unpacked PNG of many palettes
  // OpenCV takes a Mat, but only reads from it.
  const cv::Mat bytes(1, static_cast<int>(file.size()), CV_8UC1, const_cast<uint8_t*>(file.data()));
  cv::Mat target(height, width, type, pixels);
  try {
    const cv::Mat decoded = cv::imdecode(bytes, flags | cv::IMREAD_IGNORE_ORIENTATION, &target);
    // Empty after a failure; a picture of another size has memory of its own.
    return decoded.data == pixels;
  } catch (const cv::Exception&) {
    return false;
  }
}

// OpenCV has a flag a size, for colours and for grey the same.
int ShrinkFlag(int shrink) {
  switch (shrink) {
    case 2:
      return cv::IMREAD_REDUCED_GRAYSCALE_2;
    case 4:
      return cv::IMREAD_REDUCED_GRAYSCALE_4;
    case 8:
      return cv::IMREAD_REDUCED_GRAYSCALE_8;
    default:
      return 0;
  }
}

absl::StatusOr<Image> DecodeColor(absl::Span<const uint8_t> file, const ImageInfo& info) {
  Image image = Image::Uninitialized((info.width + info.shrink - 1) / info.shrink,
                                     (info.height + info.shrink - 1) / info.shrink);
  const int flags = cv::IMREAD_COLOR_RGB | ShrinkFlag(info.shrink);
  if (!DecodeInto(file, flags, CV_8UC3, image.width, image.height, image.pixels.get())) {
    return Damaged();
  }
  return image;
}

absl::StatusOr<Image> DecodeJpeg(absl::Span<const uint8_t> file, const ImageInfo& info) {
  const int64_t pixels = int64_t{1} * info.width * info.height;
  const int64_t most = std::clamp<int64_t>(kMaxScannedPixels / pixels, 1, kMaxJpegScans);
  if (const int scans = CountJpegScans(file); scans > most) {
    return absl::InvalidArgumentError(absl::StrCat("JPEG file of ", info.width, "x", info.height,
                                                   " pixels has ", scans, " scans, more than ",
                                                   most));
  }
  if (info.jpeg_components != 4) return DecodeColor(file, info);
  Image image = Image::Uninitialized(info.width, info.height);
  if (!DecodeCmykJpeg(file, image)) return Damaged();
  return image;
}

// OpenCV would scale 16-bit grey to 8; Pillow clips it.
absl::StatusOr<Image> DecodeDeepGray(absl::Span<const uint8_t> file, const ImageInfo& info) {
  std::vector<uint16_t> gray(size_t{1} * info.width * info.height);
  if (!DecodeInto(file, cv::IMREAD_ANYDEPTH, CV_16UC1, info.width, info.height, gray.data()))
    return Damaged();
  Image image = Image::Uninitialized(info.width, info.height);
  for (size_t i = 0; i < gray.size(); ++i) {
    std::fill_n(&image.pixels[3 * i], 3, static_cast<uint8_t>(std::min<int>(gray[i], 255)));
  }
  return image;
}

absl::StatusOr<Image> DecodePngPixels(absl::Span<const uint8_t> file, const ImageInfo& info) {
  const bool deep_gray = info.png.bit_depth == 16 && info.png.color_type == 0;
  return deep_gray ? DecodeDeepGray(file, info) : DecodeColor(file, info);
}

absl::StatusOr<Image> DecodePng(absl::Span<const uint8_t> file, const ImageInfo& info) {
  std::vector<uint8_t> only_pixels;
  if (file.size() > kQuickPngBytes) {
    only_pixels = WithUnpackedPixels(file, info);
    if (only_pixels.empty()) return Damaged();
    return DecodePngPixels(only_pixels, info);
  }
  if (!info.png.only_pixels) {
    // So no chunk claims to be longer than the file: OpenCV would allocate up to 2 GB for it.
    only_pixels = OnlyPixels(file);
    file = only_pixels;
  }
  absl::StatusOr<Image> image = DecodePngPixels(file, info);
  if (image.ok()) return image;
  only_pixels = WithUnpackedPixels(file, info);
  if (only_pixels.empty()) return image;
  return DecodePngPixels(only_pixels, info);
}

absl::StatusOr<Image> DecodeWebP(absl::Span<const uint8_t> file, const ImageInfo& info) {
  const int64_t result = int64_t{3} * info.width * info.height;
  const WebPMemoryLimit limit(info.decoding_bytes() - result + kWebPTables);
  absl::StatusOr<Image> image = DecodeColor(file, info);
  if (image.ok() || !limit.reached()) return image;
  return absl::InvalidArgumentError(
      "WebP file wants far more memory than its pixels do: it has too many tables of codes");
}

}  // namespace

absl::StatusOr<Image> Decode(absl::Span<const uint8_t> file, const ImageInfo& info) {
  QuietCodecs();
  switch (info.format) {
    case ImageFormat::kJpeg:
      return DecodeJpeg(file, info);
    case ImageFormat::kPng:
      return DecodePng(file, info);
    case ImageFormat::kWebP:
      return DecodeWebP(file, info);
    case ImageFormat::kBmp:
      return DecodeBmp(file, info);
    case ImageFormat::kRaw:
    case ImageFormat::kTensor:
      break;
  }
  return absl::InvalidArgumentError("pixels aren't a file to decode");
}

}  // namespace patchserve
