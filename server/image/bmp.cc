#include "server/image/bmp.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/image/bmp_header.h"
#include "server/image/bmp_rle.h"
#include "server/image/bytes.h"

namespace patchserve {
namespace {

absl::Status Refused(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("BMP file ", why));
}

absl::Status UnusualColors() { return Refused("has an unusual order of colours"); }
absl::Status CutOff() { return Refused("is damaged or cut off: it has too few pixels"); }

// Calls `convert` for each row of the picture, from the top: with the row as stored, and with
// where it goes, `row_bytes` a row.
absl::Status ForEachRow(absl::Span<const uint8_t> file, const BmpHeader& header,
                        const ImageInfo& info, uint8_t* target, size_t row_bytes,
                        absl::FunctionRef<void(const uint8_t*, uint8_t*)> convert) {
  const size_t bits = size_t{1} * info.width * header.bits;
  const size_t stride = (bits + 31) / 32 * 4;
  const size_t needed = stride * (info.height - 1) + (bits + 7) / 8;  // the last padding may lack
  if (!Bytes(file).Has(header.pixels, needed)) return CutOff();
  for (int y = 0; y < info.height; ++y) {
    const int stored = header.top_down ? y : info.height - 1 - y;
    convert(&file[header.pixels + stride * stored], target + row_bytes * y);
  }
  return absl::OkStatus();
}

absl::StatusOr<Image> Decode16Bits(absl::Span<const uint8_t> file, const BmpHeader& header,
                                   const ImageInfo& info) {
  constexpr std::array<uint32_t, 3> k555 = {0x7c00, 0x3e0, 0x1f}, k565 = {0xf800, 0x7e0, 0x1f};
  const std::array<uint32_t, 3> masks = {header.masks[0], header.masks[1], header.masks[2]};
  const bool has_masks = header.compression == BmpCompression::kMasks;
  if (has_masks && masks != k555 && masks != k565) return UnusualColors();
  const int green_bits = has_masks && masks == k565 ? 6 : 5;

  const auto scaled = [](int value, int bits) {
    const int most = (1 << bits) - 1;
    return static_cast<uint8_t>((value & most) * 255 / most);
  };
  Image image = Image::Uninitialized(info.width, info.height);
  RETURN_IF_ERROR(ForEachRow(file, header, info, image.pixels.get(), size_t{3} * info.width,
                             [&](const uint8_t* row, uint8_t* rgb) {
                               for (int x = 0; x < info.width; ++x, row += 2, rgb += 3) {
                                 const int pixel = row[1] << 8 | row[0];
                                 rgb[0] = scaled(pixel >> (5 + green_bits), 5);
                                 rgb[1] = scaled(pixel >> 5, green_bits);
                                 rgb[2] = scaled(pixel, 5);
                               }
                             }));
  return image;
}

// Where the colours of 24 or 32 bits stand, in bytes from the pixel's start.
struct ByteOrder {
  int red, green, blue;
};

// The orders that Pillow knows.
absl::StatusOr<ByteOrder> ByteOrderOf(const BmpHeader& header) {
  using Masks = std::array<uint32_t, 4>;
  constexpr ByteOrder kUsual = {2, 1, 0};
  if (header.compression != BmpCompression::kMasks) return kUsual;
  Masks masks = header.masks;
  if (header.bits == 24) {
    masks[3] = 0;
    if (masks == Masks{0xff0000, 0xff00, 0xff}) return kUsual;
    return UnusualColors();
  }
  static constexpr std::pair<Masks, ByteOrder> kKnown[] = {
      {{0, 0, 0, 0}, kUsual},
      {{0xff0000, 0xff00, 0xff, 0}, kUsual},
      {{0xff0000, 0xff00, 0xff, 0xff000000}, kUsual},
      {{0xff, 0xff00, 0xff0000, 0xff000000}, {0, 1, 2}},
      {{0xff000000, 0xff0000, 0xff00, 0}, {3, 2, 1}},
      {{0xff000000, 0xff0000, 0xff00, 0xff}, {3, 2, 1}},
      {{0xff000000, 0xff00, 0xff, 0}, {3, 1, 0}},
      {{0xff000000, 0xff00, 0xff, 0xff0000}, {3, 1, 0}},
  };
  for (const auto& [known, order] : kKnown) {
    if (masks == known) return order;
  }
  return UnusualColors();
}

absl::StatusOr<Image> DecodeWholeBytes(absl::Span<const uint8_t> file, const BmpHeader& header,
                                       const ImageInfo& info) {
  ASSIGN_OR_RETURN(const ByteOrder order, ByteOrderOf(header));
  const int bytes = header.bits / 8;
  Image image = Image::Uninitialized(info.width, info.height);
  RETURN_IF_ERROR(ForEachRow(file, header, info, image.pixels.get(), size_t{3} * info.width,
                             [&](const uint8_t* row, uint8_t* rgb) {
                               for (int x = 0; x < info.width; ++x, row += bytes, rgb += 3) {
                                 rgb[0] = row[order.red];
                                 rgb[1] = row[order.green];
                                 rgb[2] = row[order.blue];
                               }
                             }));
  return image;
}

// The colour of each pixel as its number in the palette, rows top to bottom.
absl::StatusOr<std::vector<uint8_t>> PaletteIndices(absl::Span<const uint8_t> file,
                                                    const BmpHeader& header,
                                                    const ImageInfo& info) {
  std::vector<uint8_t> indices(size_t{1} * info.width * info.height);
  if (header.compression == BmpCompression::kNone) {
    const int in_byte = 8 / header.bits;  // pixels, the first in the highest bits
    const int most = (1 << header.bits) - 1;
    RETURN_IF_ERROR(ForEachRow(file, header, info, indices.data(), info.width,
                               [&](const uint8_t* row, uint8_t* target) {
                                 for (int x = 0; x < info.width; ++x) {
                                   const int shift = 8 - header.bits * (x % in_byte + 1);
                                   target[x] = row[x / in_byte] >> shift & most;
                                 }
                               }));
  } else if (!UnpackBmpRle(file, header, info.width, absl::MakeSpan(indices))) {
    return CutOff();
  }
  return indices;
}

absl::StatusOr<Image> DecodePalette(absl::Span<const uint8_t> file, const BmpHeader& header,
                                    const ImageInfo& info) {
  if (header.colors > 256) {
    return Refused(absl::StrCat("has a palette of ", header.colors, " colours, more than 256"));
  }
  ASSIGN_OR_RETURN(const std::vector<uint8_t> indices, PaletteIndices(file, header, info));
  const Bytes bytes(file);
  // A palette whose length the file doesn't say may end where the pixels begin.
  const size_t end = std::max(std::min(header.palette_end(), header.pixels), header.palette);
  const size_t colors = (end - header.palette) / header.color_bytes;
  Image image = Image::Uninitialized(info.width, info.height);
  uint8_t* rgb = image.pixels.get();
  for (const uint8_t index : indices) {
    if (index >= colors && index < header.colors)
      return Refused("has pixels inside of its palette");
    const size_t color = header.palette + size_t{1} * header.color_bytes * index;
    for (int c = 0; c < 3; ++c) {
      // A number without a colour is black, as in Pillow.
      *rgb++ = index < colors ? bytes.U8(color + 2 - c) : 0;
    }
  }
  return image;
}

}  // namespace

absl::StatusOr<Image> DecodeBmp(absl::Span<const uint8_t> file, const ImageInfo& info) {
  const BmpHeader header = ReadBmpHeader(file);
  if (header.width != info.width || header.height != info.height) return CutOff();
  if (header.pixels < header.palette) return Refused("has pixels inside of its headers");
  const bool has_palette = header.bits == 1 || header.bits == 4 || header.bits == 8;
  if (!has_palette && header.bits != 16 && header.bits != 24 && header.bits != 32) {
    return Refused(absl::StrCat("has ", header.bits, " bits a pixel, not 1, 4, 8, 16, 24 or 32"));
  }
  using enum BmpCompression;
  const BmpCompression compression = header.compression;
  const bool fits =
      compression == kNone ||
      (has_palette ? compression == kRle8 || compression == kRle4 : compression == kMasks);
  if (!fits) {
    return Refused(absl::StrCat("of ", header.bits, " bits a pixel has compression ",
                                static_cast<uint32_t>(compression), ", which isn't supported"));
  }
  if (has_palette) return DecodePalette(file, header, info);
  return header.bits == 16 ? Decode16Bits(file, header, info)
                           : DecodeWholeBytes(file, header, info);
}

}  // namespace patchserve
