// One file of a model on a hub, into the cache.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/hub/cache.h"
#include "server/hub/hub_client.h"
#include "server/hub/retries.h"

namespace patchserve {

struct BlobDownload {
  // As HubClient::Read, of this file.
  std::function<absl::Status(
      int64_t from, absl::FunctionRef<absl::Status(int64_t offset, absl::string_view piece)> body)>
      read;
  std::function<void(int64_t bytes)> progress;  // how many are there, of file.size
  WaitFunction wait;
  const std::atomic<bool>& cancelled;
};

// Fetches the bytes unless they are there. They are written to DIGEST.incomplete, from where a
// later call goes on that was killed, and become the blob by a rename once their size and hash are
// right. Of several processes that fetch the same blob one does, by a lock; where a file system
// knows no locks each does, and writes the same bytes to the same places; the first to finish makes
// the blob. Errors: those of `read`, which is tried up to 5 times after a byte that never came
// before. RESOURCE_EXHAUSTED: the disk is full, or would be. DATA_LOSS: the hash is another, twice.
// FAILED_PRECONDITION: the blob is a link out of the cache. CANCELLED.
absl::Status DownloadBlob(const HubCache& cache, const HubFile& file, const BlobDownload& how);

}  // namespace patchserve
