#include "server/pipeline/model_input.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/image/decode.h"
#include "server/image/preprocess.h"
#include "server/pipeline/tensor_input.h"

namespace patchserve {
namespace {

absl::StatusOr<Image> DecodeImage(const RequestImage& image, const ImageInfo& info) {
  if (const auto* raw = std::get_if<RawPixels>(&image)) {
    return FromRaw(raw->pixels, info, raw->format);
  }
  return Decode(std::get<absl::Span<const uint8_t>>(image), info);
}

absl::StatusOr<OwnedInput> MakeOrThrow(const RequestImage& image, const ImageInfo& info,
                                       const Preprocessing& how, const Allocate& allocate) {
  if (const auto* tensor = std::get_if<TensorImage>(&image)) {
    const auto values = std::static_pointer_cast<float>(allocate(how.bytes() * sizeof(float)));
    ReadTensor(*tensor, values.get());
    return OwnedInput{.tensor = values};
  }
  ASSIGN_OR_RETURN(Image pixels, DecodeImage(image, info));
  if (how.apply_orientation) pixels = Upright(std::move(pixels), info.orientation);
  const auto input = std::static_pointer_cast<uint8_t>(allocate(how.bytes()));
  Preprocess(pixels, how, {input.get(), how.bytes()});
  return OwnedInput{.pixels = input};
}

}  // namespace

int64_t SentBytes(const RequestImage& image) {
  if (const auto* raw = std::get_if<RawPixels>(&image)) return raw->pixels.size();
  if (const auto* tensor = std::get_if<TensorImage>(&image)) return tensor->values.size();
  const auto* file = std::get_if<absl::Span<const uint8_t>>(&image);
  return file == nullptr ? 0 : file->size();
}

int64_t BytesInFlight(const ClassifyRequest& request, const Preprocessing& how) {
  const bool tensor = std::holds_alternative<TensorImage>(request.image);
  const int64_t input = how.bytes() * (tensor ? sizeof(float) : 1);
  return std::max(SentBytes(request.image), request.message_bytes) + input;
}

absl::StatusOr<OwnedInput> MakeModelInput(const RequestImage& image, const ImageInfo& info,
                                          const Preprocessing& how, const Allocate& allocate) {
  try {
    return MakeOrThrow(image, info, how, allocate);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory to decode an image of ", info.width, "x", info.height, " pixels"));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("decoding failed: ", error.what()));
  }
}

}  // namespace patchserve
