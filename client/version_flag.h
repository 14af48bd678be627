// --version and --help of the client's programs.
#pragma once

#include <string>

#include "absl/flags/usage_config.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "version.h"

namespace patchserve {

// Makes `--version` print "PROGRAM VERSION", and `--help` all of our flags. Call before the flags
// are parsed.
inline void AddVersionFlag(const std::string& program) {
  absl::FlagsUsageConfig usage;
  usage.version_string = [program] { return absl::StrCat(program, " ", PATCHSERVE_VERSION, "\n"); };
  usage.contains_helpshort_flags = usage.contains_help_flags = [](absl::string_view file) {
    return absl::StrContains(file, "client/");
  };
  absl::SetFlagsUsageConfig(usage);
}

}  // namespace patchserve
