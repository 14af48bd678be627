// A tensor from the wire as a model's input.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/image/image.h"
#include "server/image/preprocessing.h"
#include "server/pipeline/request.h"

namespace patchserve {

// Bytes of one value.
int SizeOf(TensorType type);

// Errors: INVALID_ARGUMENT: not 3 * how.height * how.width values long.
absl::StatusOr<ImageInfo> CheckTensor(const TensorImage& image, const Preprocessing& how);

// Writes the values to `to` as float32, NaN and infinite ones too.
void ReadTensor(const TensorImage& image, float* to);

}  // namespace patchserve
