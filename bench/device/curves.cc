#include "bench/device/curves.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"

namespace patchserve {
namespace {

using Json = nlohmann::json;

// {"1": 2.73, "2": 2.16, ...}, in milliseconds. Throws what `value` does.
Curve ToCurve(const Json& by_size, absl::FunctionRef<double(const Json&)> value) {
  std::map<int, absl::Duration> measured;
  for (const auto& [size, ms] : by_size.items()) {
    measured[std::stoi(size)] = absl::Milliseconds(value(ms));
  }
  return Curve(std::move(measured));
}

}  // namespace

absl::Duration Curve::At(int size) const {
  const auto above = measured_.lower_bound(size);
  if (above == measured_.end()) {
    const auto& [largest, took] = *measured_.rbegin();
    return took * size / largest;
  }
  if (above == measured_.begin() || above->first == size) return above->second;
  const auto below = std::prev(above);
  return below->second +
         (above->second - below->second) * (size - below->first) / (above->first - below->first);
}

absl::StatusOr<ModelCurves> ReadCurves(const std::string& file, const std::string& model,
                                       const std::string& run) {
  std::ifstream text(file);
  if (!text) return absl::NotFoundError(absl::StrCat("can't read ", file));
  try {
    const Json models = Json::parse(text).at("models");
    if (!models.contains(model) || !models[model].contains(run)) {
      return absl::NotFoundError(absl::StrCat(file, " has no ", run, " of a model ", model));
    }
    const Json& curves = models[model];
    ModelCurves found{ToCurve(curves[run], [](const Json& ms) { return ms.get<double>(); }), {}};
    for (int runner : {0, 1}) {
      found.first.push_back(ToCurve(
          curves.at("first_ms"), [runner](const Json& ms) { return ms.at(runner).get<double>(); }));
    }
    return found;
  } catch (const std::exception& wrong) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", wrong.what()));
  }
}

}  // namespace patchserve
