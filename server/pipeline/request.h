// One classification request, as the RPC layer hands it over.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/base/criticality.h"
#include "server/image/decode.h"
#include "server/pipeline/cancellation.h"

namespace patchserve {

struct ServedModel;

struct RawPixels {
  absl::Span<const uint8_t> pixels;
  int width = 0;
  int height = 0;
  PixelFormat format = PixelFormat::kRgb;
};

enum class TensorType { kFloat32, kFloat16, kBFloat16 };

// A model's input as the caller made it: [3, height, width], normalised, little-endian.
struct TensorImage {
  absl::Span<const uint8_t> values;
  TensorType type = TensorType::kFloat32;
};

// A file's bytes, pixels, a tensor, or nothing.
using RequestImage =
    std::variant<std::monostate, absl::Span<const uint8_t>, RawPixels, TensorImage>;

// Views are borrowed: what they point to must live until the request is answered.
struct ClassifyRequest {
  absl::string_view model;    // empty: the default model
  absl::string_view version;  // empty: any
  RequestImage image;
  // Memory of the parsed message that holds the image, its share of it where there are several; 0:
  // the image alone counts.
  int64_t message_bytes = 0;
  std::optional<int> top_k;  // unset: 5
  bool embedding = false;
  bool normalize_embedding = false;
  bool logits = false;  // of all classes
  Criticality criticality = Criticality::kDefault;
  absl::Time arrival;                                 // when the server got it
  absl::Time deadline = absl::InfiniteFuture();       // infinite: the model's default applies
  absl::Time no_later_than = absl::InfiniteFuture();  // bounds the deadline, the default one too
  bool retried = false;  // it was refused before: its caller makes no more load than one request
  // Once it is requested nobody waits for the answer any more. May be null. Borrowed too.
  Cancellation* cancellation = nullptr;

  // For the images of a request of several, see ClassifyAll: the model that was found for
  // them, what ReadHeader said of this file (null: it wasn't asked; borrowed for the admission
  // only), and what ends them once another of them has failed.
  std::shared_ptr<const ServedModel> pinned;
  const ImageInfo* header = nullptr;
  Cancellation* given_up = nullptr;
};

}  // namespace patchserve
