#include "server/hub/snapshot.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "server/base/quote.h"
#include "server/base/read_file.h"
#include "server/base/status.h"
#include "server/base/steady_clock.h"
#include "server/hub/blob_download.h"
#include "server/hub/cache.h"
#include "server/hub/hub_client.h"
#include "server/hub/progress.h"
#include "server/model/shards.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

constexpr char kConfig[] = "config.json";
constexpr char kWeights[] = "model.safetensors";
constexpr int64_t kMaxSmallFile = 16 << 20;  // bytes; what the engine takes
constexpr int64_t kMaxWeights = int64_t{16} << 30;

absl::StatusOr<Shards> ReadIndex(const HubCache& cache, const std::string& commit) {
  ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(cache.Snapshot(commit) / kShardsIndex));
  auto shards = ParseShardsIndex(text);
  if (shards.ok()) return shards;
  return absl::Status(shards.status().code(), absl::StrCat(kShardsIndex, " of commit ", commit,
                                                           ": ", shards.status().message()));
}

// The first file of the commit that a model needs and the cache lacks; nothing: it is whole.
absl::StatusOr<std::optional<std::string>> Missing(const HubCache& cache,
                                                   const std::string& commit) {
  ASSIGN_OR_RETURN(const bool config, cache.Has(commit, kConfig));
  if (!config) return kConfig;
  ASSIGN_OR_RETURN(const bool weights, cache.Has(commit, kWeights));
  if (weights) return std::nullopt;
  ASSIGN_OR_RETURN(const bool index, cache.Has(commit, kShardsIndex));
  if (!index) return kWeights;
  ASSIGN_OR_RETURN(const Shards shards, ReadIndex(cache, commit));
  for (const auto& [name, tensors] : shards) {
    ASSIGN_OR_RETURN(const bool shard, cache.Has(commit, name));
    if (!shard) return name;
  }
  return std::nullopt;
}

std::string WhatCacheHas(const HubEnvironment& hub, const HubCache& cache) {
  std::vector<std::string> whole;
  for (const std::string& commit : cache.Commits()) {
    const auto missing = Missing(cache, commit);
    if (missing.ok() && !*missing) whole.push_back(commit);
  }
  return absl::StrCat(
      "the cache ", hub.cache.string(), " has ",
      whole.empty() ? "nothing of it" : absl::StrCat("commit ", absl::StrJoin(whole, ", ")));
}

// One model being fetched.
class Fetch {
 public:
  Fetch(const HubEnvironment& hub, const HubModelId& id, const FetchHooks& hooks)
      : hooks_(hooks), cache_(hub.cache, id), client_(hub, hooks.cancelled, hooks.wait) {}

  // Asks the hub what the revision means, and fetches what of that the cache lacks. `cached`:
  // whether there is something to serve meanwhile.
  absl::StatusOr<HubSnapshot> Newest(const HubModelId& id, bool cached) {
    // Where there is, nobody waits for a hub that is away.
    ASSIGN_OR_RETURN(const auto config, client_.Find(id, kConfig, cached ? 1 : kMostTries));
    if (!config) {
      return absl::NotFoundError(absl::StrCat("model ", id.text(), " has no ", kConfig));
    }
    ASSIGN_OR_RETURN(const auto missing, Missing(cache_, config->commit));
    if (missing) RETURN_IF_ERROR(Files(id, *config));
    // Last: what a ref says is there whole. A cache that can't be written to may serve on.
    if (const absl::Status ref = cache_.WriteRef(config->commit); !ref.ok() && missing) return ref;
    return HubSnapshot{cache_.Snapshot(config->commit), config->commit};
  }

 private:
  // All files of the commit. `config`: what the hub says of it.
  absl::Status Files(HubModelId id, const HubFile& config) {
    id.revision = config.commit;  // from here on: a branch may move meanwhile
    RETURN_IF_ERROR(cache_.Prepare(config.commit));
    RETURN_IF_ERROR(File(id, config, kMaxSmallFile));
    ASSIGN_OR_RETURN(const auto weights, client_.Find(id, kWeights, kMostTries));
    if (weights) return File(id, *weights, kMaxWeights);
    ASSIGN_OR_RETURN(const auto index, client_.Find(id, kShardsIndex, kMostTries));
    if (!index) return NoWeights(id);
    RETURN_IF_ERROR(File(id, *index, kMaxSmallFile));
    ASSIGN_OR_RETURN(const Shards shards, ReadIndex(cache_, config.commit));
    for (const auto& [name, tensors] : shards) {
      ASSIGN_OR_RETURN(const auto shard, client_.Find(id, name, kMostTries));
      if (!shard) {
        return absl::NotFoundError(
            absl::StrCat("model ", id.text(), " has no ", name, ", which its index names"));
      }
      RETURN_IF_ERROR(File(id, *shard, kMaxWeights));
    }
    return absl::OkStatus();
  }

  absl::Status File(const HubModelId& id, const HubFile& file, int64_t most) {
    if (file.size > most) {
      return absl::InvalidArgumentError(absl::StrCat(file.name, " of ", id.text(), " has ",
                                                     file.size, " bytes, more than ", most));
    }
    ASSIGN_OR_RETURN(const bool there, cache_.Has(file.commit, file.name));
    if (there) return absl::OkStatus();
    Progress progress(file.name, file.size, SteadyNow(), hooks_.progress,
                      [&](const std::string& text) { spdlog::info("{}: {}", id.text(), text); });
    const BlobDownload how{
        .read = [&](int64_t from, auto body) { return client_.Read(id, file, from, body); },
        .progress = [&](int64_t bytes) { progress.Update(bytes, SteadyNow()); },
        .wait = hooks_.wait,
        .cancelled = hooks_.cancelled};
    RETURN_IF_ERROR(DownloadBlob(cache_, file, how));
    return cache_.Link(file.commit, file.name, file.digest);
  }

  absl::Status NoWeights(const HubModelId& id) const {
    ASSIGN_OR_RETURN(std::vector<std::string> names, client_.List(id));
    const auto is_other = [](const std::string& name) {
      return !absl::EndsWith(name, ".md") && !absl::EndsWith(name, ".json") &&
             name != ".gitattributes";
    };
    names.erase(std::partition(names.begin(), names.end(), is_other), names.end());
    std::sort(names.begin(), names.end());
    constexpr size_t kMostShown = 10;
    if (names.size() > kMostShown) names.resize(kMostShown);
    return absl::NotFoundError(
        absl::StrCat("model ", id.text(), " has no ", kWeights, ": it has ",
                     names.empty() ? "no weights" : Quote(absl::StrJoin(names, ", "))));
  }

  const FetchHooks& hooks_;
  const HubCache cache_;
  const HubClient client_;
};

}  // namespace

absl::StatusOr<HubSnapshot> CachedSnapshot(const HubEnvironment& hub, const HubModelId& id) {
  const HubCache cache(hub.cache, id);
  const auto commit = cache.Commit();
  if (absl::IsNotFound(commit.status())) {
    return absl::NotFoundError(
        absl::StrCat("model ", id.text(), " isn't in the cache: ", WhatCacheHas(hub, cache)));
  }
  if (!commit.ok()) return commit.status();
  ASSIGN_OR_RETURN(const auto missing, Missing(cache, *commit));
  if (!missing) return HubSnapshot{cache.Snapshot(*commit), *commit};
  return absl::NotFoundError(absl::StrCat("model ", id.text(), " isn't whole in the cache ",
                                          hub.cache.string(), ": commit ", *commit, " lacks ",
                                          *missing));
}

absl::StatusOr<HubSnapshot> FetchSnapshot(const HubEnvironment& hub, const HubModelId& id,
                                          const FetchHooks& hooks) {
  absl::StatusOr<HubSnapshot> cached = CachedSnapshot(hub, id);
  if (hub.offline || (cached.ok() && IsCommit(id.revision))) return cached;
  absl::StatusOr<HubSnapshot> asked = Fetch(hub, id, hooks).Newest(id, cached.ok());
  if (asked.ok() || absl::IsCancelled(asked.status())) return asked;
  const absl::Status& why = asked.status();
  const bool refused = absl::IsUnavailable(why) || absl::IsPermissionDenied(why);
  if (refused && cached.ok()) {
    spdlog::warn("{}; serving commit {} of {} from the cache", std::string(why.message()),
                 cached->commit, id.text());
    return cached;
  }
  if (!absl::IsUnavailable(why)) return why;
  return absl::UnavailableError(
      absl::StrCat(why.message(), "; ", WhatCacheHas(hub, HubCache(hub.cache, id))));
}

absl::Status WaitUnlessCancelled(absl::Duration pause, const std::atomic<bool>& cancelled) {
  const absl::Time until = SteadyNow() + pause;
  while (!cancelled && SteadyNow() < until) {
    absl::SleepFor(std::min(until - SteadyNow(), absl::Milliseconds(100)));
  }
  return cancelled ? absl::CancelledError("stopped while fetching") : absl::OkStatus();
}

}  // namespace patchserve
