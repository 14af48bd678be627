// JSON from files nobody vouches for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace patchserve {

// Parses one JSON object. Errors: INVALID_ARGUMENT: not JSON, with the line and column, not an
// object, nested more than 16 deep, or an object that names a key twice.
absl::StatusOr<nlohmann::json> ParseJsonObject(std::string_view text);

// Python's json also writes NaN, Infinity and -Infinity, which are no JSON. Here each becomes a
// string as long as it was, so that it is refused as the value of a field that is read.
std::string QuoteNonFinite(std::string_view text);

// Whether `value` is an integer from `low`, which is 0 or more, to `high`.
bool IsIntegerIn(const nlohmann::json& value, uint64_t low, uint64_t high);

// Reads typed fields of a JSON object; a field that is absent or null is nullopt.
// Errors: INVALID_ARGUMENT, naming the field ("pretrained_cfg.crop_pct"), what it
// is and what was expected. The object must outlive the reader.
class JsonFields {
 public:
  // `where` is put before the names of fields in errors: "", or "model_args.".
  JsonFields(const nlohmann::json& object, std::string where)
      : object_(&object), where_(std::move(where)) {}

  // The field itself, whatever its type; null if absent or null.
  const nlohmann::json* Find(const std::string& key) const;

  absl::StatusOr<std::optional<JsonFields>> Object(const std::string& key) const;
  absl::StatusOr<std::optional<std::string>> String(const std::string& key) const;
  absl::StatusOr<std::optional<bool>> Bool(const std::string& key) const;
  absl::StatusOr<std::optional<int64_t>> Integer(const std::string& key, int64_t low,
                                                 int64_t high) const;
  // In (low, high].
  absl::StatusOr<std::optional<double>> Number(const std::string& key, double low,
                                               double high) const;

  // INVALID_ARGUMENT "crop_pct is "abc", expected a number": for fields that the
  // caller checks itself. The key must be there.
  absl::Status Unexpected(const std::string& key, std::string_view expected) const;

  const nlohmann::json& object() const { return *object_; }

 private:
  const nlohmann::json* object_;
  std::string where_;
};

}  // namespace patchserve
