#include "server/model/labels.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/status.h"
#include "server/model/imagenet_names.h"

namespace patchserve {
namespace {

// Where label_names stand, and under which key ("labels" is the oldest).
struct Place {
  const JsonFields* fields;
  const char* key;
};

absl::Status NamesFromList(const Place& place, std::vector<ClassName>& classes) {
  const nlohmann::json& names = *place.fields->Find(place.key);
  if (names.size() != classes.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        place.key, " has ", names.size(), " entries, expected num_classes = ", classes.size()));
  }
  for (size_t i = 0; i < classes.size(); ++i) {
    if (!names[i].is_string()) return place.fields->Unexpected(place.key, "a list of strings");
    classes[i].label = names[i].get<std::string>();
  }
  return absl::OkStatus();
}

absl::Status NamesFromIds(const Place& place, std::vector<ClassName>& classes) {
  for (const auto& [key, name] : place.fields->Find(place.key)->items()) {
    int id;
    if (!absl::SimpleAtoi(key, &id) || id < 0 || id >= static_cast<int>(classes.size()) ||
        !name.is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(
          place.key, ".", key.substr(0, 60), ": expected ids below num_classes = ", classes.size(),
          " with a string each"));
    }
    classes[id].label = name.get<std::string>();
  }
  return absl::OkStatus();
}

absl::Status ReadNames(const Place& place, std::vector<ClassName>& classes) {
  const nlohmann::json& names = *place.fields->Find(place.key);
  if (names.is_array() && names.empty()) return absl::OkStatus();  // as good as none for timm
  if (names.is_array()) return NamesFromList(place, classes);
  if (names.is_object()) return NamesFromIds(place, classes);
  return place.fields->Unexpected(place.key, "a list of names or an object {id: name}");
}

absl::Status ReadDescriptions(const JsonFields& fields, std::vector<ClassName>& classes) {
  ASSIGN_OR_RETURN(const auto descriptions, fields.Object("label_descriptions"));
  for (ClassName& name : classes) {
    ASSIGN_OR_RETURN(auto text, descriptions->String(name.label));
    if (text) name.description = *std::move(text);
  }
  return absl::OkStatus();
}

// ImageNet-1k's own number of classes, and a tag such as "augreg_in21k_ft_in1k".
absl::StatusOr<bool> IsImageNet(const JsonFields& pretrained, int num_classes) {
  ASSIGN_OR_RETURN(const auto tag, pretrained.String("tag"));
  return num_classes == 1000 && tag && absl::EndsWith(*tag, "in1k");
}

std::vector<ClassName> ImageNetClasses() {
  std::vector<ClassName> classes;
  for (absl::string_view line : absl::StrSplit(kImageNetNames, '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> name = absl::StrSplit(line, '\t');
    classes.push_back({name.first, name.second});
  }
  return classes;
}

}  // namespace

absl::StatusOr<std::vector<ClassName>> ParseLabels(const JsonFields& config,
                                                   const JsonFields& pretrained, int num_classes) {
  std::vector<ClassName> classes(num_classes);
  for (int i = 0; i < num_classes; ++i) classes[i].label = absl::StrCat(i);

  bool named = false;
  for (const Place& place : {Place{&config, "label_names"}, Place{&config, "labels"},
                             Place{&pretrained, "label_names"}, Place{&pretrained, "labels"}}) {
    const nlohmann::json* names = place.fields->Find(place.key);
    if (names == nullptr) continue;
    RETURN_IF_ERROR(ReadNames(place, classes));
    named = !names->empty();
    break;
  }
  ASSIGN_OR_RETURN(const bool imagenet, IsImageNet(pretrained, num_classes));
  if (!named && imagenet) classes = ImageNetClasses();
  for (const JsonFields* fields : {&config, &pretrained}) {
    if (fields->Find("label_descriptions") == nullptr) continue;
    RETURN_IF_ERROR(ReadDescriptions(*fields, classes));
    break;
  }
  return classes;
}

}  // namespace patchserve
