// Logits -> ranked classes.
#pragma once

#include <vector>

#include "absl/types/span.h"

namespace patchserve {

struct Prediction {
  int class_id = 0;
  float probability = 0;
  float logit = 0;
};

// In float32. All NaN if a logit is NaN or the largest is infinite.
std::vector<float> Softmax(absl::Span<const float> logits);

// The `top_k` classes of highest probability (all, if there are fewer), best first;
// equal ones in the order of class ids, NaN as the least. Softmax over all logits.
// Needs top_k >= 1.
std::vector<Prediction> Rank(absl::Span<const float> logits, int top_k);

}  // namespace patchserve
