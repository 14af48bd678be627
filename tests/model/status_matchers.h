// EXPECT_THAT(Load(x), IsError(absl::StatusCode::kNotFound, HasSubstr("config.json")));
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"

namespace patchserve {

inline const absl::Status& StatusOfResult(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOfResult(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER_P2(IsError, code, message, "") {
  const absl::Status& status = StatusOfResult(arg);
  *result_listener << "which is " << status.ToString();
  return status.code() == code &&
         testing::Matches(message)(std::string(status.message().data(), status.message().size()));
}

}  // namespace patchserve
