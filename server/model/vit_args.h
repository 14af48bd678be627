// The part of model_args that changes a vision transformer's ViTOptions.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/model/json.h"
#include "server/model/vit_options.h"

namespace patchserve {

// Whether ReadViTArgs reads the field.
bool IsViTArg(const std::string& key);

// null overrides what the architecture's name stands for, as in timm, which passes it on
// as None: a switch is off then, and activation, norm and fc_norm are the usual ones.
// Errors: INVALID_ARGUMENT, naming the field.
absl::Status ReadViTArgs(const JsonFields& fields, ViTOptions& options);

// Reads the field global_pool of `fields` into `pool` and returns whether it is there.
// Errors: INVALID_ARGUMENT, naming it.
absl::StatusOr<bool> ReadViTPool(const JsonFields& fields, Pool& pool);

}  // namespace patchserve
