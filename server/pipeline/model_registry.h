// The models by name, and the state each is in.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/base/block_pool.h"
#include "server/base/mutex.h"
#include "server/metrics/metrics.h"
#include "server/model/model.h"
#include "server/pipeline/budget.h"
#include "server/scheduling/cost_model.h"

namespace patchserve {

// A loaded model, with what the pipeline needs to serve it. Shared by the requests
// that are on their way through it, and constant: a request that was admitted to it is
// answered by it, whatever takes its place meanwhile.
struct ServedModel {
  std::string name;
  ModelDescription description;
  ForwardFunction forward;
  Allocate allocate_input = AllocateOnHeap;  // for the images of a batch: the device reads there
  std::vector<int> buckets = {1};            // the batch sizes that run (batch_buckets.h)
  std::vector<CostModel::Sample> measured;   // what buckets took at warm-up; at least one
  int cores_of_lone = 1;  // the most that a batch has that is alone on the device
  int max_queue = 1;
  absl::Duration default_deadline;

  int max_batch() const { return buckets.back(); }

  // Set by Classifier::Schedule.
  int scheduled_as = -1;            // the model's number at the executor
  ModelMetrics* metrics = nullptr;  // of its name
  Hold queue;                       // gives the number back
};

enum class ModelState { kLoading, kReady, kFailed, kUnloaded };

// What ListModels shows.
struct ModelEntry {
  std::string name;
  ModelState state = ModelState::kLoading;
  std::string state_message;  // why it failed, or couldn't be loaded again; how far loading is
  std::shared_ptr<const ServedModel> model;  // null unless kReady
};

// Thread-safe.
class ModelRegistry {
 public:
  // `default_model` answers to the empty name too.
  ModelRegistry(const std::vector<std::string>& names, std::string default_model);

  // For names that the constructor was given.
  // Requests from now on get this model, in the place of the one that was there.
  void SetReady(std::shared_ptr<const ServedModel> model);
  // It couldn't be loaded. A model that is READY stays so, since it serves; an UNLOADED
  // one too, since nobody misses it.
  void SetFailed(const std::string& name, const absl::Status& why);
  void SetUnloaded(const std::string& name);
  // How far loading is; a model that isn't LOADING keeps its message.
  void SetProgress(const std::string& name, const std::string& text);

  // The model that serves requests for `name`.
  // Errors: NOT_FOUND: no such name. UNAVAILABLE: it isn't ready.
  absl::StatusOr<std::shared_ptr<const ServedModel>> Find(absl::string_view name) const;

  // The name that `name` means, the default model's for the empty one; null if there is
  // no such model. Lives as long as this.
  const std::string* FullName(absl::string_view name) const;

  // Errors: NOT_FOUND.
  absl::StatusOr<ModelEntry> Get(absl::string_view name) const;
  std::vector<ModelEntry> List() const;  // by name
  const std::string& default_model() const { return default_model_; }

 private:
  const ModelEntry* Lookup(absl::string_view name) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string Names() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);  // for a message

  const std::string default_model_;
  mutable Mutex mutex_;
  // Its keys, and the names in it, never change.
  std::map<std::string, ModelEntry, std::less<>> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace patchserve
