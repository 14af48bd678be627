// What every network gives for a batch of images.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/model/linear.h"

namespace patchserve {

struct NetworkOutput {
  at::Tensor logits;     // [N, classes], before softmax; undefined without a classifier
  at::Tensor embedding;  // [N, C]: what the last linear layer sees (timm's pre_logits)
};

// What a network gives whose last layer is `head`, if it has one. embedding: [N, C].
inline NetworkOutput Classified(const Linear& head, at::Tensor embedding) {
  at::Tensor logits = head.there() ? head(embedding) : at::Tensor();
  return {.logits = std::move(logits), .embedding = std::move(embedding)};
}

// images: [N, H, W, 3], normalised, on the network's device and in its precision. Thread-safe.
using NetworkFunction = std::function<NetworkOutput(const at::Tensor& images)>;

// INVALID_ARGUMENT unless model_args.FIELD, if given, says what the tensors say.
inline absl::Status CheckModelArg(const char* field, const std::optional<int>& given,
                                  int64_t tensors_say) {
  if (!given || *given == tensors_say) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("model_args.", field, " is ", *given,
                                                 " in config.json, the tensors say ", tensors_say));
}

}  // namespace patchserve
