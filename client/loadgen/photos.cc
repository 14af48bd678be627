#include "client/loadgen/photos.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace patchserve {

absl::StatusOr<std::vector<std::string>> ReadPhotos(absl::Span<const Input> inputs,
                                                    size_t max_bytes) {
  std::vector<std::string> photos;
  size_t bytes = 0;
  for (const Input& input : inputs) {
    absl::StatusOr<std::string> photo = ReadInput(input);
    if (!photo.ok()) {
      return absl::Status(photo.status().code(),
                          absl::StrCat(input.name, ": ", photo.status().message()));
    }
    bytes += photo->size();
    if (bytes > max_bytes) break;
    photos.push_back(*std::move(photo));
  }
  if (photos.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no photo of at most ", max_bytes, " bytes comes first"));
  }
  return photos;
}

}  // namespace patchserve
