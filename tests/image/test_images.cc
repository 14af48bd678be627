#include "tests/image/test_images.h"

#include <openssl/sha.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "server/image/decode.h"
#include "server/image/header.h"

namespace patchserve {

std::string TestImagePath(const std::string& name) {
  return std::string(PATCHSERVE_TEST_DATA) + "/images/" + name;
}

File ReadTestImage(const std::string& name) {
  std::ifstream stream(TestImagePath(name), std::ios::binary);
  if (!stream) throw std::runtime_error("no " + TestImagePath(name));
  return File(std::istreambuf_iterator<char>(stream), {});
}

std::vector<std::vector<std::string>> ReadTable(const std::string& path) {
  std::ifstream stream(path);
  if (!stream) throw std::runtime_error("no " + path);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(stream, line);) {
    if (line.empty() || line[0] == '#') continue;
    rows.push_back(absl::StrSplit(line, '\t'));
  }
  return rows;
}

std::string Sha256(absl::Span<const uint8_t> bytes) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(bytes.data(), bytes.size(), digest);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest), 16});
}

std::string Sha256(const Image& image) {
  return Sha256(absl::MakeConstSpan(image.pixels.get(), image.size()));
}

Image DecodeTestImage(const std::string& name) {
  const File file = ReadTestImage(name);
  return Decode(file, ReadHeader(file, {}).value()).value();
}

Image Noise(int width, int height, uint32_t seed, bool saturated) {
  Image image = Image::Uninitialized(width, height);
  for (size_t i = 0; i < image.size(); ++i) {
    uint32_t v = (static_cast<uint32_t>(i) + seed * 7919u) * 2654435761u;
    v ^= v >> 15;
    v *= 2246822519u;
    v ^= v >> 13;
    image.pixels[i] = saturated ? ((v & 1) ? 255 : 0) : v & 255;
  }
  return image;
}

Image Copy(const Image& image) {
  Image copy = Image::Uninitialized(image.width, image.height);
  std::copy_n(image.pixels.get(), image.size(), copy.pixels.get());
  return copy;
}

std::vector<uint8_t> Pixels(const Image& image) {
  return {image.pixels.get(), image.pixels.get() + image.size()};
}

}  // namespace patchserve
