// A model of a hub to a checkpoint folder that can be loaded.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "server/config/config.h"

namespace patchserve {

// Where settings.folder is hf://..., it becomes a folder of the cache, and settings.commit the
// commit; else nothing happens. ask_hub: the hub is asked what the revision means now, and what the
// cache lacks is fetched, which takes minutes; else the cache alone is used. `progress` is told of
// what is fetched; with an empty text at the end.
// The environment (hub/environment.h) is read at each call: a token may be a new one.
// Errors: those of ReadHubEnvironment, FetchSnapshot and CachedSnapshot.
absl::Status FetchModel(ModelSettings& settings, bool ask_hub, const std::atomic<bool>& cancelled,
                        const std::function<void(const std::string& text)>& progress);

}  // namespace patchserve
