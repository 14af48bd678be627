#include "server/pipeline/model_changes.h"

#include <malloc.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

// Those that wait for the one under way, and models that wait to be freed.
constexpr int kMostWaiting = 16;
constexpr int kLowestPriority = 19;

absl::Status Stopping() { return absl::UnavailableError("the server is shutting down"); }

}  // namespace

ModelChanges::ModelChanges(ModelRegistry& registry, LoadFunction load,
                           std::function<void(const std::string& name)> changed)
    : registry_(registry),
      load_(std::move(load)),
      changed_(std::move(changed)),
      thread_(std::make_shared<ThreadPool>("changes", 1, kMostWaiting, kLowestPriority)) {}

ModelChanges::~ModelChanges() { Stop(); }

void ModelChanges::Stop() {
  stopping_ = true;
  thread_->Stop();
}

absl::Status ModelChanges::LoadNow(const std::string& name, Reason reason) {
  Lock lock(changing_);
  auto model = load_(name, reason);
  absl::Status loaded = model.status();
  if (absl::IsCancelled(loaded)) return loaded;
  if (loaded.ok()) {
    registry_.SetReady(FreedByTheThread(*std::move(model)));
  } else {
    registry_.SetFailed(name, loaded);
  }
  changed_(name);
  if (loaded.ok()) return loaded;
  return absl::Status(loaded.code(),
                      absl::StrCat("model ", name, " can't be served: ", loaded.message()));
}

void ModelChanges::Load(const std::string& name, const Done& done, const Cancellation* caller) {
  Later(
      name,
      [this, name] {
        absl::Status loaded = LoadNow(name, Reason::kRequest);
        return absl::IsCancelled(loaded) ? Stopping() : loaded;
      },
      done, caller);
}

void ModelChanges::Unload(const std::string& name, const Done& done, const Cancellation* caller) {
  Later(
      name,
      [this, name] {
        Lock lock(changing_);
        registry_.SetUnloaded(name);
        changed_(name);
        spdlog::info("model {} is unloaded", name);
        return absl::OkStatus();
      },
      done, caller);
}

void ModelChanges::Later(const std::string& name, std::function<absl::Status()> change,
                         const Done& done, const Cancellation* caller) {
  if (stopping_) return done(Stopping());
  // The empty name would be the default model, by an oversight perhaps.
  if (name.empty()) return done(absl::NotFoundError("the model's name is missing"));
  const absl::StatusOr<ModelEntry> entry = registry_.Get(name);
  if (!entry.ok()) return done(entry.status());
  const bool queued = thread_->TryRun([this, change = std::move(change), done, caller] {
    if (stopping_) return done(Stopping());
    if (caller != nullptr && caller->requested()) {
      return done(absl::CancelledError("the caller gave up before the change began"));
    }
    const absl::Status status = change();
    if (!status.ok()) spdlog::error("{}", std::string(status.message()));
    done(status);
  });
  if (!queued) {
    done(absl::ResourceExhaustedError(
        absl::StrCat("more than ", kMostWaiting, " changes of models wait already")));
  }
}

std::shared_ptr<const ServedModel> ModelChanges::FreedByTheThread(
    std::shared_ptr<const ServedModel> model) const {
  const ServedModel* const bare = model.get();
  // The last request of a model ends on a thread that serves, and weights may be hundreds
  // of megabytes. Where the thread is busy or gone, they are freed where they are.
  return {bare, [thread = std::weak_ptr(thread_), model](const ServedModel*) mutable {
            const std::shared_ptr<ThreadPool> there = thread.lock();
            if (there == nullptr) return;
            static_cast<void>(there->TryRun([model = std::move(model)]() mutable {
              model.reset();
              malloc_trim(0);  // glibc would keep what was freed
            }));
          }};
}

}  // namespace patchserve
