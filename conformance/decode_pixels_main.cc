// Decodes image files as the server does, for a comparison with Pillow: reads a path a
// line from stdin, and answers each on stdout with "WIDTH HEIGHT ORIENTATION" and a newline,
// then the RGB bytes as stored; or with "refused: " and the reason.
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>

#include "server/base/bytes.h"
#include "server/base/status.h"
#include "server/image/decode.h"
#include "server/image/header.h"

namespace patchserve {
namespace {

struct Decoded {
  Image image;
  int orientation = 1;
};

absl::StatusOr<Decoded> DecodeFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  const absl::Span<const uint8_t> file = AsBytes(bytes);
  ASSIGN_OR_RETURN(const ImageInfo info, ReadHeader(file, ImageLimits{}));
  ASSIGN_OR_RETURN(Image image, Decode(file, info));
  return Decoded{std::move(image), info.orientation};
}

}  // namespace
}  // namespace patchserve

int main() {
  for (std::string path; std::getline(std::cin, path);) {
    const auto decoded = patchserve::DecodeFile(path);
    if (decoded.ok()) {
      const patchserve::Image& image = decoded->image;
      std::cout << image.width << " " << image.height << " " << decoded->orientation << "\n";
      std::cout.write(reinterpret_cast<const char*>(image.pixels.get()), image.size());
    } else {
      std::cout << "refused: " << decoded.status().message() << "\n";
    }
    std::cout.flush();
  }
}
