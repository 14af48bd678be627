// Names of the classes, as a config.json gives them.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "server/model/json.h"
#include "server/model/model.h"

namespace patchserve {

// label_names: a list of num_classes names or of none, or {id: name} with gaps; where there is
// no name the id's digits stand for it. label_descriptions: {name: text}. `config`
// and `pretrained` are the two places for them; the first wins. Without any, 1000 classes
// with a tag in `pretrained` that ends in "in1k" are ImageNet's: WordNet's id and words.
// Errors: INVALID_ARGUMENT, naming the field.
absl::StatusOr<std::vector<ClassName>> ParseLabels(const JsonFields& config,
                                                   const JsonFields& pretrained, int num_classes);

}  // namespace patchserve
