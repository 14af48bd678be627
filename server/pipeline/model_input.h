// A request's image as its model's input.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "server/base/block_pool.h"
#include "server/image/image.h"
#include "server/image/preprocessing.h"
#include "server/model/model.h"
#include "server/pipeline/request.h"

namespace patchserve {

// One of the two.
struct OwnedInput {
  std::shared_ptr<const uint8_t> pixels;
  std::shared_ptr<const float> tensor;

  // Lives as long as this.
  ModelInput view() const {
    if (tensor != nullptr) return tensor.get();
    return pixels.get();
  }
};

// What a request holds until it is answered: its image as it was sent, with the message around it,
// and as model input.
int64_t BytesInFlight(const ClassifyRequest& request, const Preprocessing& how);
// As it was sent, alone.
int64_t SentBytes(const RequestImage& image);

// Decodes the picture, turns it upright if `how` says so, and resizes and crops it, into memory of
// `allocate`; of a tensor only the type changes. `info` is what admission found. Thread-safe.
// Errors: INVALID_ARGUMENT: as Decode. RESOURCE_EXHAUSTED: no memory for the pixels.
// INTERNAL: a library threw something else.
absl::StatusOr<OwnedInput> MakeModelInput(const RequestImage& image, const ImageInfo& info,
                                          const Preprocessing& how, const Allocate& allocate);

}  // namespace patchserve
