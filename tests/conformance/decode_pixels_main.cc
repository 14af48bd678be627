// Decodes image files as the server does, for a comparison with Pillow: reads a path a
// line from stdin, and answers each on stdout with "WIDTH HEIGHT" and a newline, then the
// RGB bytes; or with "refused: " and the reason.
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "server/base/bytes.h"
#include "server/base/status.h"
#include "server/image/decode.h"
#include "server/image/header.h"

namespace patchserve {
namespace {

absl::StatusOr<Image> DecodeFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  const absl::Span<const uint8_t> file = AsBytes(bytes);
  ASSIGN_OR_RETURN(const ImageInfo info, ReadHeader(file, ImageLimits{}));
  return Decode(file, info);
}

}  // namespace
}  // namespace patchserve

int main() {
  for (std::string path; std::getline(std::cin, path);) {
    const auto image = patchserve::DecodeFile(path);
    if (image.ok()) {
      std::cout << image->width << " " << image->height << "\n";
      std::cout.write(reinterpret_cast<const char*>(image->pixels.get()), image->size());
    } else {
      std::cout << "refused: " << image.status().message() << "\n";
    }
    std::cout.flush();
  }
}
