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
#include "server/image/png_header.h"
#include "server/image/webp_header.h"

namespace patchserve {
namespace {

using namespace std::string_view_literals;

struct Found {
  int64_t width = 0;  // perhaps more than ImageInfo holds
  int64_t height = 0;
  ImageInfo info = {};    // all else; kRaw: none of the formats that we read
  std::string flaw = {};  // why no such file is decoded, whatever its size
};

// A picture that is turned is there twice.
constexpr int kTurned = 6;

// What Pillow refuses, too.
std::string FlawOf(const JpegHeader& h) {
  const bool known = h.components == 1 || h.components == 3 || h.components == 4;
  if (known && h.precision == 8) return "";
  return absl::StrCat("JPEG file has ", h.components, " components of ", h.precision,
                      " bits, not 1, 3 or 4 of 8 bits");
}

// What the codecs were seen to hold (pictures of 25 megapixels, by the process's peak). libjpeg
// keeps the coefficients, two bytes each, of a picture that comes in more than one scan.
int DecodingBytes(const JpegHeader& h) { return h.many_scans ? 3 + 2 * h.components : 3; }
// Its rows may be unpacked first (OnlyPixels); grey of 16 bits is decoded as such.
int DecodingBytes(const PngLayout& png) {
  constexpr int kChannels[] = {1, 0, 3, 1, 2, 0, 4};  // by color_type
  const int channels = png.color_type <= 6 ? kChannels[png.color_type] : 0;
  const bool deep_gray = png.bit_depth == 16 && png.color_type == 0;
  return (deep_gray ? 5 : 3) + channels * std::max(1, png.bit_depth / 8);
}
// Lossless ones are ARGB inside, and so are those with alpha; an animation has a canvas too.
int DecodingBytes(const WebPHeader& h) {
  if (h.only_lossy) return 3;
  return h.animated ? 16 : 11;
}

Found Sniff(absl::Span<const uint8_t> file) {
  const Bytes bytes(file);
  if (bytes.Matches(0, "\xff\xd8\xff"sv)) {
    const JpegHeader h = ReadJpegHeader(file);
    return {h.width,
            h.height,
            {.format = ImageFormat::kJpeg,
             .orientation = h.orientation,
             .decoding_bytes_a_pixel = DecodingBytes(h),
             .jpeg_components = h.components},
            FlawOf(h)};
  }
  if (bytes.Matches(0, "\x89PNG\r\n\x1a\n"sv)) {
    const PngHeader h = ReadPngHeader(file);
    return {h.width,
            h.height,
            {.format = ImageFormat::kPng,
             .orientation = h.orientation,
             .decoding_bytes_a_pixel = DecodingBytes(h.layout),
             .png = h.layout},
            h.damaged ? kDamagedImage : ""};
  }
  if (bytes.Matches(0, "RIFF") && bytes.Matches(8, "WEBP")) {
    const WebPHeader h = ReadWebPHeader(file);
    return {h.width,
            h.height,
            {.format = ImageFormat::kWebP,
             .orientation = h.orientation,
             .decoding_bytes_a_pixel = DecodingBytes(h)}};
  }
  if (bytes.Matches(0, "BM")) {
    const BmpHeader h = ReadBmpHeader(file);
    constexpr int kWithIndices = 4;  // of the palette
    return {
        h.width, h.height, {.format = ImageFormat::kBmp, .decoding_bytes_a_pixel = kWithIndices}};
  }
  return {};
}

}  // namespace

absl::StatusOr<ImageInfo> ReadHeader(absl::Span<const uint8_t> file, const ImageLimits& limits) {
  if (file.empty()) return absl::InvalidArgumentError("image is empty");
  RETURN_IF_ERROR(CheckByteLimit(file.size(), limits));
  auto [width, height, info, flaw] = Sniff(file);
  if (info.format == ImageFormat::kRaw) {
    constexpr absl::string_view kWanted = "not a JPEG, PNG, WebP or BMP file";
    const std::string what = WhatInsteadOfAnImage(file);
    return absl::InvalidArgumentError(what.empty()
                                          ? absl::StrCat("image is ", kWanted)
                                          : absl::StrCat("image is ", what, ", ", kWanted));
  }
  if (width < 1 || height < 1) {
    return absl::InvalidArgumentError("image file is damaged: its headers give no size");
  }
  if (!flaw.empty()) return absl::InvalidArgumentError(flaw);
  RETURN_IF_ERROR(CheckPixelLimit(width, height, limits));
  info.width = static_cast<int>(width);
  info.height = static_cast<int>(height);
  if (info.orientation != 1) {
    info.decoding_bytes_a_pixel = std::max(info.decoding_bytes_a_pixel, kTurned);
  }
  return info;
}

}  // namespace patchserve
