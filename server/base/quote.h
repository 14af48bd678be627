// What a client sent, fit to stand in a message.
#pragma once

#include <string>

#include "absl/strings/ascii.h"
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

// In one line of ASCII: other bytes as \xNN. For what others write of what a client sent.
inline std::string OneLine(absl::string_view text) {
  std::string line;
  for (const char c : text) {
    if (absl::ascii_isprint(static_cast<unsigned char>(c))) {
      line.push_back(c);
    } else {
      absl::StrAppend(&line, "\\x", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    }
  }
  return line;
}

}  // namespace patchserve
