#include "server/image/orientation.h"

#include "server/image/exif.h"

namespace patchserve {
namespace {

// `tiff:Orientation="6"` or `<tiff:Orientation>6`.
int XmpOrientation(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (size_t at = xmp.find(kName); at != xmp.npos; at = xmp.find(kName, at)) {
    at += kName.size();
    std::string_view rest = xmp.substr(at);
    if (rest.starts_with("=\"")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with(">")) {
      rest.remove_prefix(1);
    } else {
      continue;
    }
    if (rest.empty() || rest[0] < '0' || rest[0] > '9') continue;
    const int value = rest[0] - '0';
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

}  // namespace

int Orientation(absl::Span<const uint8_t> exif, std::string_view xmp) {
  const auto stated = ExifOrientation(exif);
  return stated ? *stated : XmpOrientation(xmp);
}

}  // namespace patchserve
