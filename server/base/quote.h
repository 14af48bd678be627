// What a client sent, fit to stand in a message.
#pragma once

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace patchserve {

// In quotes, escaped where it isn't printable, cut after 100 bytes: a status message
// travels in a header, whose size is limited.
inline std::string Quote(absl::string_view text) {
  constexpr size_t kMost = 100;
  const std::string shown = absl::Utf8SafeCHexEscape(text.substr(0, kMost));
  return absl::StrCat("\"", shown, text.size() > kMost ? "...\"" : "\"");
}

}  // namespace patchserve
