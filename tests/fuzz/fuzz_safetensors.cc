// Any bytes as a model.safetensors; what is accepted must lie inside of them.
#include <cstdlib>
#include <string_view>

#include "server/model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  const auto tensors = patchserve::ParseSafetensors(file);
  if (!tensors.ok()) return 0;
  for (const patchserve::TensorView& tensor : *tensors) {
    const bool inside =
        tensor.bytes.data() >= data && tensor.bytes.size() <= size - (tensor.bytes.data() - data);
    if (!inside) std::abort();
  }
  return 0;
}
