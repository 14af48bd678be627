// A model of a hub as a checkpoint folder: from the cache, and from the hub where it isn't there.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "server/hub/environment.h"
#include "server/hub/model_id.h"
#include "server/hub/retries.h"

namespace patchserve {

struct HubSnapshot {
  std::string folder;  // holds config.json, and model.safetensors or the index with its shards
  std::string commit;
};

struct FetchHooks {
  const std::atomic<bool>& cancelled;
  // Told what is being fetched, at most twice a second.
  std::function<void(const std::string& text)> progress;
  WaitFunction wait;
};

// Asks the hub what the revision means now, fetches what of that commit the cache lacks, and no
// other files. A commit that the cache has whole isn't asked for. Where the hub doesn't answer, or
// refuses, and the cache has what the revision meant before, that is served, with a warning. Takes
// minutes. Any thread; several processes may share the cache.
// Errors: those of HubClient, DownloadBlob and HubCache; without an answer from the hub the message
// says what the cache has. NOT_FOUND beside: a revision without weights that are read; says what it
// has. Offline: as CachedSnapshot.
absl::StatusOr<HubSnapshot> FetchSnapshot(const HubEnvironment& hub, const HubModelId& id,
                                          const FetchHooks& hooks);

// From the cache alone. Errors: NOT_FOUND: it isn't there, or isn't whole; says what is.
// FAILED_PRECONDITION: it leads out of the cache.
absl::StatusOr<HubSnapshot> CachedSnapshot(const HubEnvironment& hub, const HubModelId& id);

// Waits in short pieces until `cancelled`; then CANCELLED.
absl::Status WaitUnlessCancelled(absl::Duration pause, const std::atomic<bool>& cancelled);

}  // namespace patchserve
