#include "server/image/png_text.h"

#include "absl/strings/ascii.h"
#include "server/image/bytes.h"
#include "zlib.h"

namespace patchserve {
namespace {

constexpr size_t kMaxUnpacked = 1 << 20;

// The part up to the next NUL, which is taken off `text` with it.
std::optional<std::string_view> TakeField(std::string_view& text) {
  const size_t end = text.find('\0');
  if (end == text.npos) return std::nullopt;
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(end + 1);
  return field;
}

std::optional<int> HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(c);
  if (lower >= 'a' && lower <= 'f') return lower - 'a' + 10;
  return std::nullopt;
}

}  // namespace

std::optional<PngText> ReadPngText(std::string_view chunk_name, absl::Span<const uint8_t> data) {
  std::string_view rest = AsText(data);
  const bool international = chunk_name == "iTXt";
  const bool always_compressed = chunk_name == "zTXt";
  if (!international && !always_compressed && chunk_name != "tEXt") return std::nullopt;

  PngText text;
  const auto keyword = TakeField(rest);
  if (!keyword) return std::nullopt;
  text.keyword = *keyword;
  text.compressed = always_compressed;
  if (international) {
    if (rest.empty()) return std::nullopt;
    text.compressed = rest[0] != 0;
    rest.remove_prefix(1);
  }
  if (international || always_compressed) {  // the method: 0 is zlib's, and the only one
    if (rest.empty() || (text.compressed && rest[0] != 0)) return std::nullopt;
    rest.remove_prefix(1);
  }
  if (international && (!TakeField(rest) || !TakeField(rest))) return std::nullopt;  // languages
  text.text = rest;
  return text;
}

std::string_view Unpack(const PngText& text, std::string& unpacked) {
  if (!text.compressed) return text.text.substr(0, kMaxUnpacked);
  z_stream stream = {};
  if (inflateInit(&stream) != Z_OK) return {};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.text.data()));
  stream.avail_in = text.text.size();
  unpacked.resize(kMaxUnpacked);
  stream.next_out = reinterpret_cast<Bytef*>(unpacked.data());
  stream.avail_out = unpacked.size();
  const int result = inflate(&stream, Z_SYNC_FLUSH);
  const bool too_long = stream.avail_out == 0 && stream.avail_in > 0;
  // Z_BUF_ERROR: the text was cut off before its first byte.
  const bool good = (result == Z_OK || result == Z_STREAM_END) && !too_long;
  unpacked.resize(good ? unpacked.size() - stream.avail_out : 0);
  inflateEnd(&stream);
  return unpacked;
}

std::vector<uint8_t> RawProfile(std::string_view text) {
  for (int line = 0; line < 3; ++line) {
    const size_t end = text.find('\n');
    if (end == text.npos) return {};
    text.remove_prefix(end + 1);
  }
  std::vector<uint8_t> bytes;
  bytes.reserve(text.size() / 2);
  std::optional<int> high;
  for (char c : text) {
    if (absl::ascii_isspace(c)) continue;
    const auto digit = HexDigit(c);
    if (!digit) return {};
    if (high) bytes.push_back(*high << 4 | *digit);
    high = high ? std::nullopt : digit;
  }
  return high ? std::vector<uint8_t>() : bytes;
}

}  // namespace patchserve
