#include "server/config/model_folders.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/status.h"
#include "server/hub/model_id.h"

namespace patchserve {
namespace {

namespace fs = std::filesystem;

bool IsCheckpoint(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "config.json", ignored);
}

// The last component, whether or not a slash follows it.
std::string BaseName(const fs::path& folder) {
  std::error_code ignored;
  const fs::path absolute = fs::absolute(folder, ignored).lexically_normal();
  return absolute.has_filename() ? absolute.filename() : absolute.parent_path().filename();
}

bool IsFolder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// NAME and FOLDER; no name where the argument is a folder alone.
ModelFolder SplitName(const std::string& argument) {
  const size_t equals = argument.find('=');
  if (equals == argument.npos || argument.find('/') < equals || IsFolder(argument)) {
    return {"", argument};
  }
  return {argument.substr(0, equals), argument.substr(equals + 1)};
}

bool IsHidden(const fs::path& folder) { return absl::StartsWith(folder.filename().string(), "."); }

}  // namespace

std::vector<std::string> RejoinFolders(const std::vector<std::string>& parts) {
  std::vector<std::string> arguments;
  for (size_t begin = 0; begin < parts.size();) {
    size_t end = parts.size();
    std::string joined;
    do {
      joined = absl::StrJoin(parts.begin() + begin, parts.begin() + end, ",");
    } while (--end > begin && !IsFolder(SplitName(joined).folder));
    arguments.push_back(std::move(joined));
    begin = end + 1;
  }
  return arguments;
}

absl::Status CheckModelName(const std::string& name) {
  const bool good = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
  if (name == "liveness" || name == "readiness" || absl::StartsWith(name, "patchserve.v1.")) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" can't be a model's name: health checks use it"));
  }
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", name,
      "\" can't be a model's name: use letters, digits, '.', '_' and '-', or NAME=FOLDER"));
}

absl::StatusOr<std::vector<ModelFolder>> FindModelFolders(const std::string& argument) {
  std::vector<ModelFolder> found;
  const auto [name, folder] = SplitName(argument);
  const bool named = folder.size() < argument.size();
  if (named) found.push_back({name, folder});
  if (IsHubModel(folder)) {
    ASSIGN_OR_RETURN(const HubModelId id, ParseHubModelId(folder));
    if (!named) found.push_back({id.name(), folder});
    RETURN_IF_ERROR(CheckModelName(found.front().name));
    return found;
  }
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat("--models: there is no folder ", folder));
  }
  if (found.empty() && IsCheckpoint(folder)) found.push_back({BaseName(folder), folder});
  if (found.empty()) {
    for (fs::directory_iterator it(folder, error), end; it != end; it.increment(error)) {
      if (!IsHidden(it->path()) && IsCheckpoint(it->path()))
        found.push_back({it->path().filename(), it->path()});
    }
  }
  if (error) {
    return absl::NotFoundError(absl::StrCat("--models: ", folder, ": ", error.message()));
  }
  if (found.empty()) {
    return absl::NotFoundError(absl::StrCat("--models: ", folder,
                                            " is no checkpoint (it has no config.json), and no "
                                            "folder in it is one"));
  }
  for (const ModelFolder& model : found) RETURN_IF_ERROR(CheckModelName(model.name));
  std::sort(found.begin(), found.end(),
            [](const ModelFolder& a, const ModelFolder& b) { return a.name < b.name; });
  return found;
}

}  // namespace patchserve
