// Shorthand for functions that return absl::Status or absl::StatusOr.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define PATCHSERVE_CONCAT_INNER(a, b) a##b
#define PATCHSERVE_CONCAT(a, b) PATCHSERVE_CONCAT_INNER(a, b)

// RETURN_IF_ERROR(Check(x)); leaves the function with the error, if there is one.
#define RETURN_IF_ERROR(expression)                                         \
  do {                                                                      \
    if (absl::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

// ASSIGN_OR_RETURN(Image image, Decode(file)); declares or assigns the value, or
// leaves the function with the error.
#define ASSIGN_OR_RETURN(target, expression) \
  ASSIGN_OR_RETURN_INNER(PATCHSERVE_CONCAT(status_or_, __LINE__), target, expression)
#define ASSIGN_OR_RETURN_INNER(result, target, expression) \
  auto result = (expression);                              \
  if (!result.ok()) return std::move(result).status();     \
  target = *std::move(result)
