// One model's part of the cache that Python's huggingface_hub keeps too:
//
//   CACHE/models--ORG--NAME/refs/REVISION             the commit that it meant when last asked
//                          /blobs/DIGEST              a file's bytes
//                          /snapshots/COMMIT/FILE     a relative link to a blob
//        /.locks/models--ORG--NAME/DIGEST.lock        held (flock) while a blob is fetched
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/hub/model_id.h"

namespace patchserve {

// Any number of processes may use one cache. Names are those of ParseHubModelId, IsCommit, IsDigest
// and of files without a folder, so that no path leaves the cache; where links in it lead out of
// it, FAILED_PRECONDITION.
class HubCache {
 public:
  HubCache(const std::filesystem::path& cache, const HubModelId& id);

  // The commit of the revision: itself, or what its ref says. Errors: NOT_FOUND: none is there.
  // INVALID_ARGUMENT: the ref is damaged.
  absl::StatusOr<std::string> Commit() const;
  // The commits of which something is there.
  std::vector<std::string> Commits() const;

  std::filesystem::path Snapshot(const std::string& commit) const;
  // Whether the file is there, whole.
  absl::StatusOr<bool> Has(const std::string& commit, const std::string& file) const;

  // Makes the folders. Errors: PERMISSION_DENIED, RESOURCE_EXHAUSTED: they can't be made.
  absl::Status Prepare(const std::string& commit) const;
  std::filesystem::path Blob(const std::string& digest) const;
  std::filesystem::path Lock(const std::string& digest) const;
  std::filesystem::path Ref() const;
  // Errors: FAILED_PRECONDITION: links of the path lead out of the cache.
  absl::Status CheckInside(const std::filesystem::path& path) const;

  // Both are atomic; the first needs Prepare.
  absl::Status Link(const std::string& commit, const std::string& file,
                    const std::string& digest) const;
  // Nothing where the revision is a commit, or has this one already.
  absl::Status WriteRef(const std::string& commit) const;

 private:
  absl::Status Make(const std::filesystem::path& folder) const;

  const std::filesystem::path root_;
  const std::string folder_;  // "models--ORG--NAME"
  const std::string revision_;
};

// Why a file or folder of the cache can't be written, with what to do.
absl::Status CannotWrite(const std::filesystem::path& path, int error);

}  // namespace patchserve
