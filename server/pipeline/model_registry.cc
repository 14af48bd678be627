#include "server/pipeline/model_registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/quote.h"

namespace patchserve {

ModelRegistry::ModelRegistry(const std::vector<std::string>& names, std::string default_model)
    : default_model_(std::move(default_model)) {
  for (const std::string& name : names) entries_[name].name = name;
}

void ModelRegistry::SetReady(std::shared_ptr<const ServedModel> model) {
  Lock lock(mutex_);
  ModelEntry& entry = entries_.at(model->name);
  entry.state = ModelState::kReady;
  entry.state_message.clear();
  entry.model.swap(model);  // the old one goes with the argument: not under the lock
}

void ModelRegistry::SetFailed(const std::string& name, const absl::Status& why) {
  Lock lock(mutex_);
  ModelEntry& entry = entries_.at(name);
  if (entry.state == ModelState::kReady) return;
  if (entry.state == ModelState::kLoading) entry.state = ModelState::kFailed;
  entry.state_message = std::string(why.message());
}

void ModelRegistry::SetUnloaded(const std::string& name) {
  std::shared_ptr<const ServedModel> old;  // goes after the lock
  Lock lock(mutex_);
  ModelEntry& entry = entries_.at(name);
  entry.state = ModelState::kUnloaded;
  entry.state_message.clear();
  entry.model.swap(old);
}

void ModelRegistry::SetProgress(const std::string& name, const std::string& text) {
  Lock lock(mutex_);
  ModelEntry& entry = entries_.at(name);
  if (entry.state == ModelState::kLoading) entry.state_message = text;
}

const ModelEntry* ModelRegistry::Lookup(absl::string_view name) const {
  const absl::string_view wanted = name.empty() ? absl::string_view(default_model_) : name;
  auto it = entries_.find(std::string_view(wanted.data(), wanted.size()));
  return it == entries_.end() ? nullptr : &it->second;
}

const std::string* ModelRegistry::FullName(absl::string_view name) const {
  Lock lock(mutex_);
  const ModelEntry* entry = Lookup(name);
  return entry == nullptr ? nullptr : &entry->name;
}

absl::StatusOr<ModelEntry> ModelRegistry::Get(absl::string_view name) const {
  Lock lock(mutex_);
  if (const ModelEntry* entry = Lookup(name)) return *entry;
  return absl::NotFoundError(
      absl::StrCat("there is no model ", Quote(name), "; there is ", Names()));
}

std::string ModelRegistry::Names() const {
  constexpr size_t kMost = 20;
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) {
    if (names.size() == kMost) {
      names.push_back("...");
      break;
    }
    names.push_back(name);
  }
  return absl::StrJoin(names, ", ");
}

absl::StatusOr<std::shared_ptr<const ServedModel>> ModelRegistry::Find(
    absl::string_view name) const {
  {
    Lock lock(mutex_);
    const ModelEntry* entry = Lookup(name);
    if (entry != nullptr && entry->state == ModelState::kReady) return entry->model;
  }
  absl::StatusOr<ModelEntry> entry = Get(name);
  if (!entry.ok()) return entry.status();
  switch (entry->state) {
    case ModelState::kFailed:
      return absl::UnavailableError(
          absl::StrCat("model ", entry->name, " couldn't be loaded: ", entry->state_message));
    case ModelState::kUnloaded:
      return absl::UnavailableError(absl::StrCat("model ", entry->name, " was unloaded"));
    default:
      return absl::UnavailableError(absl::StrCat("model ", entry->name, " is still loading",
                                                 entry->state_message.empty() ? "" : ": ",
                                                 entry->state_message));
  }
}

std::vector<ModelEntry> ModelRegistry::List() const {
  Lock lock(mutex_);
  std::vector<ModelEntry> list;
  for (const auto& [name, entry] : entries_) list.push_back(entry);
  return list;
}

}  // namespace patchserve
