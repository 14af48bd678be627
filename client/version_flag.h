// --version for the client's programs.
#pragma once

#include <string>

#include "absl/flags/usage_config.h"
#include "absl/strings/str_cat.h"

namespace patchserve {

// Makes `--version` print "PROGRAM VERSION". Call before the flags are parsed.
inline void AddVersionFlag(const std::string& program) {
  absl::FlagsUsageConfig usage;
  usage.version_string = [program] { return absl::StrCat(program, " ", PATCHSERVE_VERSION, "\n"); };
  absl::SetFlagsUsageConfig(usage);
}

}  // namespace patchserve
