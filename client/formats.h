// How numbers and names are written for other programs.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace patchserve {

// As nlohmann::ordered_json, but its numbers are float: a probability then prints as 0.1 and not
// as the double 0.10000000149011612.
using FloatJson = nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool,
                                       int64_t, uint64_t, float>;

// On one line; bytes that aren't UTF-8 become U+FFFD.
std::string JsonLine(const FloatJson& json);

// A field of RFC 4180's, quoted where it must be.
std::string CsvField(absl::string_view field);

// The fewest digits that give the same float back.
std::string Shortest(float value);

}  // namespace patchserve
