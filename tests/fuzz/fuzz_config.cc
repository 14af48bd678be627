// Any bytes as a checkpoint's config.json.
#include <string_view>

#include "server/model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  patchserve::ParseModelConfig(text).IgnoreError();
  return 0;
}
