// Any bytes as the name of a model of a hub, and as an index of shards: what is accepted names
// files in the folders that are meant for them.
#include <cstdlib>
#include <string_view>

#include "server/hub/cache.h"
#include "server/hub/model_id.h"
#include "server/model/shards.h"

namespace {

void MustLieIn(const std::filesystem::path& folder, const std::filesystem::path& path) {
  const std::string relative = path.lexically_normal().lexically_relative(folder);
  if (relative.empty() || relative == "." || relative.rfind("..", 0) == 0) std::abort();
  if (path.native().find('\0') != std::string::npos) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto id = patchserve::ParseHubModelId({text.data(), text.size()}); id.ok()) {
    const patchserve::HubCache cache("/cache", *id);
    const std::filesystem::path model = cache.Blob("x").parent_path().parent_path();
    MustLieIn("/cache", model);
    MustLieIn(model / "refs", cache.Ref());
    MustLieIn("/cache/.locks", cache.Lock("x"));
  }
  if (const auto shards = patchserve::ParseShardsIndex(text); shards.ok()) {
    for (const auto& [name, tensors] : *shards) {
      MustLieIn("/snapshot", std::filesystem::path("/snapshot") / name);
      if (name.find('/') != std::string::npos) std::abort();
    }
  }
  return 0;
}
