#include "server/image/png_header.h"

#include <optional>
#include <string>
#include <string_view>

#include "server/image/bytes.h"
#include "server/image/orientation.h"
#include "server/image/png_text.h"

namespace patchserve {
namespace {

constexpr size_t kSignature = 8;
constexpr size_t kAroundData = 12;  // length, name, CRC

struct Chunk {
  size_t at = 0;    // of its length field
  size_t size = 0;  // of the data
  size_t data() const { return at + 8; }
  size_t next() const { return at + kAroundData + size; }
};

Chunk ChunkAt(const Bytes& bytes, size_t at) { return {at, bytes.BigEndian32(at)}; }

bool Is(const Bytes& bytes, const Chunk& chunk, std::string_view name) {
  return bytes.Matches(chunk.at + 4, name);
}

bool MakesPixels(const Bytes& bytes, const Chunk& chunk) {
  for (std::string_view name : {"IHDR", "PLTE", "tRNS", "IDAT", "IEND"}) {
    if (Is(bytes, chunk, name)) return true;
  }
  return false;
}

// What a file's chunks say of the orientation; of several chunks of a kind the last counts.
class Metadata {
 public:
  void Add(std::string_view name, absl::Span<const uint8_t> data) {
    if (name == "eXIf") exif_ = data;
    const auto text = ReadPngText(name, data);
    if (!text) return;
    if (text->keyword == "exif" && name == "tEXt") exif_ = data.last(text->text.size());
    if (text->keyword == "Raw profile type exif") profile_ = *text;
    if (text->keyword == "XML:com.adobe.xmp") xmp_ = *text;
  }

  int Orientation() const {
    std::string unpacked_profile, unpacked_xmp;
    std::vector<uint8_t> profile;
    if (!exif_) profile = RawProfile(Unpack(profile_, unpacked_profile));
    return patchserve::Orientation(exif_.value_or(profile), Unpack(xmp_, unpacked_xmp));
  }

 private:
  std::optional<absl::Span<const uint8_t>> exif_;
  PngText profile_;
  PngText xmp_;
};

}  // namespace

PngHeader ReadPngHeader(absl::Span<const uint8_t> file) {
  const Bytes bytes(file);
  PngHeader header;
  Chunk chunk = ChunkAt(bytes, kSignature);
  if (!Is(bytes, chunk, "IHDR")) return header;
  header.width = bytes.BigEndian32(chunk.data());
  header.height = bytes.BigEndian32(chunk.data() + 4);
  header.bit_depth = bytes.U8(chunk.data() + 8);
  header.color_type = bytes.U8(chunk.data() + 9);

  Metadata metadata;
  while (bytes.Has(chunk.next(), kAroundData)) {
    chunk = ChunkAt(bytes, chunk.next());
    if (Is(bytes, chunk, "IEND")) {
      header.complete = bytes.Has(chunk.at, kAroundData + chunk.size);
      break;
    }
    if (!MakesPixels(bytes, chunk)) header.has_extras = true;
    metadata.Add(AsText(bytes.Part(chunk.at + 4, 4)), bytes.Part(chunk.data(), chunk.size));
  }
  header.orientation = metadata.Orientation();
  return header;
}

std::vector<uint8_t> OnlyPixels(absl::Span<const uint8_t> file) {
  const Bytes bytes(file);
  std::vector<uint8_t> result;
  result.reserve(file.size());
  result.assign(file.begin(), file.begin() + kSignature);
  for (Chunk chunk = ChunkAt(bytes, kSignature); bytes.Has(chunk.at, kAroundData);
       chunk = ChunkAt(bytes, chunk.next())) {
    if (!MakesPixels(bytes, chunk)) continue;
    const auto whole = bytes.Part(chunk.at, kAroundData + chunk.size);
    result.insert(result.end(), whole.begin(), whole.end());
  }
  return result;
}

}  // namespace patchserve
