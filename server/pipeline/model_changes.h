// Loading, replacing and unloading models while others serve.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/mutex.h"
#include "server/base/thread_pool.h"
#include "server/pipeline/cancellation.h"
#include "server/pipeline/model_registry.h"

namespace patchserve {

// Makes one change at a time. Thread-safe.
class ModelChanges {
 public:
  enum class Reason { kStart, kRequest };  // the server's own start, or somebody's wish
  // Makes a model of this name, tested and scheduled; takes seconds. CANCELLED: the server
  // is about to stop.
  using LoadFunction = std::function<absl::StatusOr<std::shared_ptr<const ServedModel>>(
      const std::string& name, Reason reason)>;
  using Done = std::function<void(const absl::Status&)>;

  // `changed` is called after each change, before `done`. `registry` must outlive this.
  ModelChanges(ModelRegistry& registry, LoadFunction load,
               std::function<void(const std::string& name)> changed);
  ~ModelChanges();

  // Loads a model of the registry, and puts it in the place of the one that is there. On
  // the calling thread.
  // Errors: those of loading; the model that is there serves on.
  absl::Status LoadNow(const std::string& name, Reason reason = Reason::kStart);

  // LoadNow, by request, on a thread of the lowest priority, so that reading weights takes only
  // time that is left. `done` is called once, there or here; until then `caller`, which may be
  // null, must live. Once begun it goes on, though nobody waits for it any more: else a client
  // whose deadline is shorter than a load would never get its model. Errors, beside LoadNow's:
  // NOT_FOUND: the registry has no such name. RESOURCE_EXHAUSTED: too many changes wait. CANCELLED:
  // the caller gave up before it began. UNAVAILABLE: the server stops.
  void Load(const std::string& name, const Done& done, const Cancellation* caller = nullptr);

  // Takes the model out of service; what it has accepted is answered. Otherwise as Load.
  void Unload(const std::string& name, const Done& done, const Cancellation* caller = nullptr);

  // Ends the thread; changes that wait are UNAVAILABLE. A second call does nothing.
  void Stop();

 private:
  void Later(const std::string& name, std::function<absl::Status()> change, const Done& done,
             const Cancellation* caller);
  std::shared_ptr<const ServedModel> FreedByTheThread(
      std::shared_ptr<const ServedModel> model) const;

  ModelRegistry& registry_;
  const LoadFunction load_;
  const std::function<void(const std::string& name)> changed_;
  std::atomic<bool> stopping_ = false;
  Mutex changing_;  // held for a whole change
  const std::shared_ptr<ThreadPool> thread_;
};

}  // namespace patchserve
