#include "server/pipeline/ranking.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace patchserve {

std::vector<Prediction> Rank(absl::Span<const float> logits, int top_k) {
  if (logits.empty()) return {};
  const float highest = *std::max_element(logits.begin(), logits.end());
  float sum = 0;
  for (float logit : logits) sum += std::exp(logit - highest);

  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const size_t count = std::min<size_t>(top_k, logits.size());
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int a, int b) {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
  });

  std::vector<Prediction> ranked;
  ranked.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const float logit = logits[order[i]];
    ranked.push_back({order[i], std::exp(logit - highest) / sum, logit});
  }
  return ranked;
}

}  // namespace patchserve
