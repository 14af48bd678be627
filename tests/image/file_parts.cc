#include "tests/image/file_parts.h"

#include "server/image/header.h"
#include "zlib.h"

namespace patchserve {

namespace {

File BigEndian32(uint32_t n) {
  return {uint8_t(n >> 24), uint8_t(n >> 16), uint8_t(n >> 8), uint8_t(n)};
}
File LittleEndian32(uint32_t n) {
  return {uint8_t(n), uint8_t(n >> 8), uint8_t(n >> 16), uint8_t(n >> 24)};
}

}  // namespace

File Joined(std::initializer_list<File> parts) {
  File result;
  for (const File& part : parts) result.insert(result.end(), part.begin(), part.end());
  return result;
}

File Text(std::string_view text) { return File(text.begin(), text.end()); }

File JpegSegment(uint8_t marker, const File& data) {
  const size_t length = data.size() + 2;
  return Joined({{0xff, marker, uint8_t(length >> 8), uint8_t(length)}, data});
}

File JpegWith(const File& jpeg, const File& segments) {
  return Joined({{0xff, 0xd8}, segments, File(jpeg.begin() + 2, jpeg.end())});
}

File PngChunk(std::string_view name, const File& data) {
  const File checked = Joined({Text(name), data});
  return Joined(
      {BigEndian32(data.size()), checked, BigEndian32(crc32(0, checked.data(), checked.size()))});
}

File PngWith(const File& chunks) {
  constexpr int kSignatureAndHeader = 33;
  const File png = ReadTestImage("rgb.png");
  const auto rest = png.begin() + kSignatureAndHeader;
  return Joined({File(png.begin(), rest), chunks, File(rest, png.end())});
}

File Deflated(const File& data) {
  File packed(compressBound(data.size()));
  uLongf size = packed.size();
  compress(packed.data(), &size, data.data(), data.size());
  packed.resize(size);
  return packed;
}

File WebPChunk(std::string_view name, const File& data) {
  return Joined({Text(name), LittleEndian32(data.size()), data, File(data.size() % 2)});
}

File WebPWith(uint8_t flags, const File& chunks) {
  const File webp = ReadTestImage("lossless.webp");
  const ImageInfo info = ReadHeader(webp, {}).value();
  const File extended = {flags, 0, 0, 0, uint8_t(info.width - 1), 0, 0, uint8_t(info.height - 1),
                         0,     0};
  const File container = Joined(
      {Text("WEBP"), WebPChunk("VP8X", extended), File(webp.begin() + 12, webp.end()), chunks});
  return Joined({Text("RIFF"), LittleEndian32(container.size()), container});
}

File ExifBlock(uint8_t orientation) {
  return {'I', 'I', 42, 0, 8, 0,           0, 0, 1, 0, 0x12, 1, 3,
          0,   1,   0,  0, 0, orientation, 0, 0, 0, 0, 0,    0, 0};
}

}  // namespace patchserve
