#include "server/model/json.h"

#include <set>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "server/base/status.h"

namespace patchserve {
namespace {

constexpr int kMaxDepth = 16;
constexpr size_t kMaxReason = 200;  // bytes of the parser's own words
constexpr size_t kMaxQuoted = 60;   // bytes of a wrong value that an error repeats

// `what` is nlohmann's: "[json.exception.parse_error.101] parse error at line 3, column 1: ..."
absl::Status NotJson(absl::string_view what) {
  if (const size_t end = what.find("] "); end != what.npos) what.remove_prefix(end + 2);
  absl::ConsumePrefix(&what, "parse error ");
  const bool encoding = absl::StrContains(what, "UTF-8");
  return absl::InvalidArgumentError(
      absl::StrCat("not valid JSON, ", encoding ? "and not UTF-8, " : "",
                   absl::StrReplaceAll(absl::Utf8SafeCEscape(what.substr(0, kMaxReason)),
                                       {{"\\'", "'"}, {"\\\"", "\""}})));
}

}  // namespace

std::string QuoteNonFinite(std::string_view text) {
  std::string quoted(text);
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_string && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_string = !in_string;
    } else if (!in_string) {
      for (std::string_view name : {"NaN", "Infinity", "-Infinity"}) {
        if (!text.substr(i).starts_with(name)) continue;
        quoted[i] = quoted[i + name.size() - 1] = '"';
        i += name.size() - 1;
        break;
      }
    }
  }
  return quoted;
}

absl::StatusOr<nlohmann::json> ParseJsonObject(std::string_view text) {
  using nlohmann::json;
  bool too_deep = false;
  std::string twice;
  std::vector<std::set<std::string>> keys(kMaxDepth + 2);  // of the open object at each depth
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kMaxDepth) {
      too_deep = true;
      return false;
    }
    if (event == json::parse_event_t::object_start) keys[depth + 1].clear();
    if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys[depth].insert(key).second) twice = key;
    }
    return true;
  };
  json object;
  try {
    object = json::parse(text, watch);
  } catch (const json::exception& error) {
    if (!too_deep) return NotJson(error.what());
  }
  if (too_deep) {
    return absl::InvalidArgumentError(absl::StrCat("JSON nested more than ", kMaxDepth, " deep"));
  }
  if (!twice.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("names \"", twice, "\" twice"));
  }
  if (!object.is_object()) return absl::InvalidArgumentError("not a JSON object");
  return object;
}

bool IsIntegerIn(const nlohmann::json& value, uint64_t low, uint64_t high) {
  return value.is_number_unsigned() && value.get<uint64_t>() >= low &&
         value.get<uint64_t>() <= high;
}

const nlohmann::json* JsonFields::Find(const std::string& key) const {
  const auto found = object_->find(key);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

absl::Status JsonFields::Unexpected(const std::string& key, std::string_view expected) const {
  std::string got = object_->at(key).dump(-1, ' ', /*ensure_ascii=*/true);
  if (got.size() > kMaxQuoted) got = absl::StrCat(got.substr(0, kMaxQuoted), " ...");
  return absl::InvalidArgumentError(
      absl::StrCat(where_, key, " is ", got, ", expected ", std::string(expected)));
}

absl::StatusOr<std::optional<JsonFields>> JsonFields::Object(const std::string& key) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return std::optional<JsonFields>();
  if (!value->is_object()) return Unexpected(key, "an object");
  return std::optional<JsonFields>(JsonFields(*value, absl::StrCat(where_, key, ".")));
}

absl::StatusOr<std::optional<std::string>> JsonFields::String(const std::string& key) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return Unexpected(key, "a string");
  return std::optional<std::string>(value->get<std::string>());
}

absl::StatusOr<std::optional<bool>> JsonFields::Bool(const std::string& key) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_boolean()) return Unexpected(key, "true or false");
  return std::optional<bool>(value->get<bool>());
}

absl::StatusOr<std::optional<int64_t>> JsonFields::Integer(const std::string& key, int64_t low,
                                                           int64_t high) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return std::optional<int64_t>();
  const std::string expected = absl::StrCat("an integer from ", low, " to ", high);
  if (!value->is_number_integer()) return Unexpected(key, expected);
  // Above int64's range only as unsigned, which get<int64_t>() would wrap.
  if (value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(high)) {
    return Unexpected(key, expected);
  }
  const int64_t number = value->get<int64_t>();
  if (number < low || number > high) return Unexpected(key, expected);
  return std::optional<int64_t>(number);
}

absl::StatusOr<std::optional<double>> JsonFields::Number(const std::string& key, double low,
                                                         double high) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return std::optional<double>();
  const std::string expected = absl::StrCat("a number above ", low, " and up to ", high);
  if (!value->is_number()) return Unexpected(key, expected);
  const double number = value->get<double>();
  if (!(number > low && number <= high)) return Unexpected(key, expected);
  return std::optional<double>(number);
}

}  // namespace patchserve
