#include "client/loadgen/model_mix.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace patchserve {

absl::StatusOr<ModelMix> ModelMix::Parse(absl::string_view text) {
  ModelMix mix;
  double sum = 0;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(part, absl::MaxSplits('=', 1));
    double weight = 1;
    const bool weighted = absl::StrContains(part, "=");
    if (pair.first.empty() && !text.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--models is '", text, "'; it must be as vit=3,convmixer=1"));
    }
    if (weighted &&
        (!absl::SimpleAtod(pair.second, &weight) || !std::isfinite(weight) || weight <= 0)) {
      return absl::InvalidArgumentError(absl::StrCat("--models gives '", pair.first,
                                                     "' the weight '", pair.second,
                                                     "'; it must be a number above 0"));
    }
    sum += weight;
    mix.names_.push_back(pair.first);
    mix.up_to_.push_back(sum);
  }
  return mix;
}

const std::string& ModelMix::Pick(std::mt19937_64& random) const {
  const double at = static_cast<double>(random() >> 11) * 0x1p-53 * up_to_.back();
  const auto found = std::upper_bound(up_to_.begin(), up_to_.end() - 1, at);
  return names_[found - up_to_.begin()];
}

}  // namespace patchserve
