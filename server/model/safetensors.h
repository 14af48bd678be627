// The safetensors file format: 8 bytes of header length (little endian), a JSON
// header, then the tensors' bytes. https://github.com/huggingface/safetensors
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace patchserve {

struct TensorView {
  std::string name;
  std::string dtype;  // "F32", "BF16", "I64" ...
  std::vector<int64_t> shape;
  absl::Span<const uint8_t> bytes;  // row-major, little endian, perhaps misaligned
};

// Every tensor of the file, in the order of its bytes; the views point into `file`.
// Nothing in the file is believed: tensors must lie in it one after the other, with
// neither gap nor overlap, each as long as its shape and type say.
// Errors: INVALID_ARGUMENT, naming the tensor and the numbers.
absl::StatusOr<std::vector<TensorView>> ParseSafetensors(std::string_view file);

}  // namespace patchserve
