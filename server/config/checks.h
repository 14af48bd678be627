// What several flags are checked for.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace patchserve {

template <typename T>
absl::Status CheckAtLeast(const char* flag, T value, T least) {
  if (value >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--", flag, " is below ", least));
}

// gRPC would take a host alone for port 443, and a port modulo 65536.
inline absl::Status CheckAddress(const char* flag, const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon != std::string::npos && colon > 0 &&
      absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= 0 && port <= 65535) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, " is \"", address, "\", not HOST:PORT with a port up to 65535"));
}

}  // namespace patchserve
