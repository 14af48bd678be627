// Texts in the chunks tEXt, zTXt and iTXt of a PNG file (W3C PNG, third edition, 11.3.3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace patchserve {

struct PngText {
  std::string_view keyword;
  bool compressed = false;
  std::string_view text;  // as it stands in the file
};

// `data` is that of a chunk of this name, and must outlive the result. Nothing for another
// chunk, and for a text that isn't as the format says.
std::optional<PngText> ReadPngText(std::string_view chunk_name, absl::Span<const uint8_t> data);

// The text itself, which is a part of `text.text` or lies in `unpacked`: its first megabyte.
// Empty where it can't be unpacked, and where that would make more (Pillow refuses such files).
std::string_view Unpack(const PngText& text, std::string& unpacked);

// The bytes of a "Raw profile type ..." as ImageMagick and exiftool write it: three lines
// (empty, the type, the length), then hexadecimal digits. Empty where those are damaged.
std::vector<uint8_t> RawProfile(std::string_view text);

}  // namespace patchserve
