#include "server/image/png_header.h"

#include "server/image/bytes.h"
#include "server/image/exif.h"

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

  while (bytes.Has(chunk.next(), kAroundData)) {
    chunk = ChunkAt(bytes, chunk.next());
    if (Is(bytes, chunk, "IEND")) {
      header.complete = bytes.Has(chunk.at, kAroundData + chunk.size);
      break;
    }
    if (!MakesPixels(bytes, chunk)) header.has_extras = true;
    if (Is(bytes, chunk, "eXIf")) {
      header.orientation = ExifOrientation(bytes.Part(chunk.data(), chunk.size)).value_or(1);
    }
  }
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
