#include "server/image/file_kind.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/bytes.h"
#include "server/image/bytes.h"

namespace patchserve {
namespace {

using namespace std::string_view_literals;

struct Kind {
  size_t at;
  std::string_view bytes;
  std::string_view name;
};

constexpr Kind kKinds[] = {
    {0, "\xff\xd8\xff"sv, "JPEG"},
    {0, "\x89PNG\r\n\x1a\n"sv, "PNG"},
    {8, "WEBP"sv, "WebP"},
    {0, "BM"sv, "BMP"},
    {4, "ftypavif"sv, "AVIF"},
    {4, "ftypavis"sv, "AVIF"},
    {4, "ftyphei"sv, "HEIC"},
    {4, "ftyphev"sv, "HEIC"},
    {4, "ftypmif1"sv, "HEIC"},
    {4, "ftypmsf1"sv, "HEIC"},
    {4, "ftypcrx "sv, "CR3 (raw)"},
    {4, "ftyp"sv, "MP4 (video)"},
    {0, "GIF8"sv, "GIF"},
    {0, "II*\0"sv, "TIFF or raw"},
    {0, "MM\0*"sv, "TIFF or raw"},
    {0, "\xff\x0a"sv, "JPEG XL"},
    {0, "\0\0\0\x0cJXL "sv, "JPEG XL"},
    {0, "\0\0\0\x0cjP  "sv, "JPEG 2000"},
    {0, "\xff\x4f\xff\x51"sv, "JPEG 2000"},
    {0, "%PDF"sv, "PDF"},
    {0, "8BPS"sv, "Photoshop"},
    {0, "PK\3\4"sv, "zip"},
    {0, "\x1f\x8b"sv, "gzip"},
    {0, "\x93NUMPY"sv, "NumPy"},
    {0, "<svg"sv, "SVG"},
};

// base64 of a known file, perhaps as a data URL, or in quotes.
bool IsBase64(absl::Span<const uint8_t> file) {
  constexpr size_t kLooksAt = 200;
  absl::string_view text(reinterpret_cast<const char*>(file.data()),
                         std::min(file.size(), kLooksAt));
  text = absl::StripLeadingAsciiWhitespace(text);
  if (!absl::ConsumePrefix(&text, "\"")) absl::ConsumePrefix(&text, "b'");
  if (absl::StartsWith(text, "data:") && absl::StrContains(text, ";base64,")) return true;
  text = text.substr(0, 24);  // 18 bytes
  std::string decoded;
  return text.size() == 24 &&
         (absl::Base64Unescape(text, &decoded) || absl::WebSafeBase64Unescape(text, &decoded)) &&
         !FileKind(AsBytes(decoded)).empty();
}

}  // namespace

std::string_view FileKind(absl::Span<const uint8_t> file) {
  const Bytes bytes(file);
  for (const Kind& kind : kKinds) {
    if (bytes.Matches(kind.at, kind.bytes)) return kind.name;
  }
  return "";
}

std::string WhatInsteadOfAnImage(absl::Span<const uint8_t> file) {
  const auto named = [](std::string_view kind) {
    const bool vowel = kind == "AVIF" || kind == "SVG" || kind[0] == 'M';  // as it is spoken
    return absl::StrCat(vowel ? "an " : "a ", absl::string_view(kind.data(), kind.size()), " file");
  };
  if (const std::string_view kind = FileKind(file); !kind.empty()) return named(kind);
  if (IsBase64(file)) return "base64 text (send the bytes that it stands for)";
  constexpr size_t kLength = 4;  // as before an element of BYTES
  const auto behind = Bytes(file).Part(kLength, file.size());
  if (const std::string_view kind = FileKind(behind); !kind.empty() && kind != "BMP") {
    return absl::StrCat(named(kind), " behind a length of four bytes (send the file alone)");
  }
  return "";
}

}  // namespace patchserve
