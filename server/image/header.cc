#include "server/image/header.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/image/bmp_header.h"
#include "server/image/bytes.h"
#include "server/image/file_kind.h"
#include "server/image/jpeg_header.h"
#include "server/image/limits.h"
#include "server/image/png_header.h"
#include "server/image/webp_header.h"

namespace patchserve {
namespace {

using namespace std::string_view_literals;

struct Found {
  ImageFormat format = ImageFormat::kRaw;  // kRaw: none of the formats we read
  int64_t width = 0;
  int64_t height = 0;
  int orientation = 1;
  int decoding_bytes_a_pixel = 3;
};

// A picture that is turned is there twice.
constexpr int kTurned = 6;

// What the codecs were seen to hold (pictures of 25 megapixels, by the process's peak). libjpeg
// keeps the coefficients, two bytes each, of a picture that comes in more than one scan.
int DecodingBytes(const JpegHeader& h) { return h.many_scans ? 3 + 2 * h.components : 3; }
// Its rows may be unpacked first (OnlyPixels); grey of 16 bits is decoded as such.
int DecodingBytes(const PngHeader& h) {
  constexpr int kChannels[] = {1, 0, 3, 1, 2, 0, 4};  // by color_type
  const int channels = h.color_type >= 0 && h.color_type <= 6 ? kChannels[h.color_type] : 4;
  const bool deep_gray = h.bit_depth == 16 && h.color_type == 0;
  return (deep_gray ? 5 : 3) + channels * std::max(1, h.bit_depth / 8);
}
// Lossless ones are ARGB inside, and so are those with alpha; an animation has a canvas too.
int DecodingBytes(const WebPHeader& h) { return h.only_lossy ? 3 : 11; }

Found Sniff(absl::Span<const uint8_t> file) {
  const Bytes bytes(file);
  if (bytes.Matches(0, "\xff\xd8\xff"sv)) {
    const JpegHeader h = ReadJpegHeader(file);
    return {ImageFormat::kJpeg, h.width, h.height, h.orientation, DecodingBytes(h)};
  }
  if (bytes.Matches(0, "\x89PNG\r\n\x1a\n"sv)) {
    const PngHeader h = ReadPngHeader(file);
    return {ImageFormat::kPng, h.width, h.height, h.orientation, DecodingBytes(h)};
  }
  if (bytes.Matches(0, "RIFF") && bytes.Matches(8, "WEBP")) {
    const WebPHeader h = ReadWebPHeader(file);
    return {ImageFormat::kWebP, h.width, h.height, h.orientation, DecodingBytes(h)};
  }
  if (bytes.Matches(0, "BM")) {
    const BmpHeader h = ReadBmpHeader(file);
    return {ImageFormat::kBmp, h.width, h.height, 1, 4};  // with the palette's indices
  }
  return {};
}

}  // namespace

absl::StatusOr<ImageInfo> ReadHeader(absl::Span<const uint8_t> file, const ImageLimits& limits) {
  if (file.empty()) return absl::InvalidArgumentError("image is empty");
  RETURN_IF_ERROR(CheckByteLimit(file.size(), limits));
  const Found found = Sniff(file);
  if (found.format == ImageFormat::kRaw) {
    constexpr absl::string_view kWanted = "not a JPEG, PNG, WebP or BMP file";
    const std::string what = WhatInsteadOfAnImage(file);
    return absl::InvalidArgumentError(what.empty()
                                          ? absl::StrCat("image is ", kWanted)
                                          : absl::StrCat("image is ", what, ", ", kWanted));
  }
  if (found.width < 1 || found.height < 1) {
    return absl::InvalidArgumentError("image file is damaged: its headers give no size");
  }
  RETURN_IF_ERROR(CheckPixelLimit(found.width, found.height, limits));
  return ImageInfo{found.format, static_cast<int>(found.width), static_cast<int>(found.height),
                   found.orientation,
                   std::max(found.decoding_bytes_a_pixel, found.orientation == 1 ? 3 : kTurned)};
}

}  // namespace patchserve
