// Fetching a model from the fake hub.
#pragma once

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "server/hub/cache.h"
#include "server/hub/snapshot.h"
#include "tests/hub/fake_hub_process.h"
#include "tests/model/status_matchers.h"

namespace patchserve {

inline const std::string kModel = "org/name";
// Of a kilobyte and more, so that pieces of it are seen.
inline const std::string kWeights = [] {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += static_cast<char>(i * i >> 4);
  return bytes;
}();

class SnapshotTest : public testing::Test {
 protected:
  SnapshotTest() {
    hub_.Commit(kModel, kFirstCommit,
                {{"config.json", "{}"},
                 {"model.safetensors", kWeights},
                 {"README.md", "# A model"},
                 {"pytorch_model.bin", "a pickle"}});
    environment_ = {.endpoint = hub_.url(), .cache = folder_.path("cache")};
  }

  absl::StatusOr<HubSnapshot> Fetch(const std::string& revision = "main") {
    return FetchSnapshot(environment_, {kModel, revision},
                         {.cancelled = cancelled_,
                          .progress = [this](const std::string& text) { told_.push_back(text); },
                          .wait = wait_});
  }
  absl::StatusOr<HubSnapshot> Cached() { return CachedSnapshot(environment_, {kModel}); }

  std::string Read(const HubSnapshot& snapshot, const std::string& file) {
    std::ifstream in(snapshot.folder + "/" + file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Of the model, relative to its folder.
  std::set<std::string> FilesOfCache() {
    std::set<std::string> files;
    const std::string model = folder_.path("cache/models--org--name");
    if (!std::filesystem::exists(model)) return files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(model)) {
      if (!entry.is_directory())
        files.insert(std::filesystem::relative(entry.path().parent_path(), model));
    }
    return files;
  }
  std::filesystem::path BlobOfWeights() {
    const HubCache cache(environment_.cache, {kModel});
    for (const auto& entry : std::filesystem::directory_iterator(cache.Blob("").parent_path())) {
      if (entry.path().filename().string().size() >= 64) return entry.path();
    }
    return {};
  }
  int Count(const std::string& request) {
    const auto requests = hub_.Requests();
    return std::count_if(requests.begin(), requests.end(),
                         [&](const std::string& line) { return line.find(request) != line.npos; });
  }

  FakeHub hub_;
  TemporaryFolder folder_;
  HubEnvironment environment_;
  std::atomic<bool> cancelled_ = false;
  std::vector<std::string> told_;
  std::vector<absl::Duration> pauses_;
  WaitFunction wait_ = [this](absl::Duration pause) {
    pauses_.push_back(pause);
    return absl::OkStatus();
  };
};

}  // namespace patchserve
