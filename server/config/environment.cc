#include "server/config/environment.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/config/flags.h"

namespace patchserve {
namespace {

// By the name of the variable.
using Flags = std::map<std::string, absl::CommandLineFlag*>;

Flags OurFlags() {
  Flags flags;
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    if (!IsOurs(*flag)) continue;
    flags.emplace(absl::StrCat("PATCHSERVE_", absl::AsciiStrToUpper(name)), flag);
  }
  return flags;
}

// The build's, or Kubernetes's variables of a service, with the names that Docker gave to links.
bool IsForOthers(const std::string& name, absl::string_view value) {
  static const std::regex kOfService(
      "PATCHSERVE_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_.*)?)");
  if (name == "PATCHSERVE_DEPS" || name == "PATCHSERVE_CUDA") return true;
  return std::regex_match(name, kOfService) ||
         (absl::EndsWith(name, "_PORT") && absl::StrContains(value, "://"));
}

// How many letters must be put in, left out or replaced to get from `a` to `b` (Levenshtein's
// distance).
size_t Edits(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string Nearest(const Flags& flags, const std::string& wrong) {
  const std::string name = absl::AsciiStrToUpper(wrong);
  return std::min_element(flags.begin(), flags.end(),
                          [&](const auto& a, const auto& b) {
                            return Edits(a.first, name) < Edits(b.first, name);
                          })
      ->first;
}

}  // namespace

absl::Status SetFlagsFromEnvironment(const char* const* environment) {
  const Flags flags = OurFlags();
  for (; *environment != nullptr; ++environment) {
    const absl::string_view variable = *environment;
    if (!absl::StartsWith(variable, "PATCHSERVE_")) continue;
    const size_t equals = std::min(variable.find('='), variable.size());
    const std::string name(variable.substr(0, equals));
    const absl::string_view value = variable.substr(std::min(equals + 1, variable.size()));
    const auto flag = flags.find(name);
    std::string error;
    if (flag != flags.end()) {
      if (!flag->second->ParseFrom(value, &error)) {
        return absl::InvalidArgumentError(absl::StrCat("in the environment, ", name, ": ", error));
      }
    } else if (!IsForOthers(name, value)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "in the environment, ", name, " names no flag; the nearest is ", Nearest(flags, name)));
    }
  }
  return absl::OkStatus();
}

}  // namespace patchserve
