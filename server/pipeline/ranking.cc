#include "server/pipeline/ranking.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

namespace patchserve {

std::vector<float> Softmax(absl::Span<const float> logits) {
  if (logits.empty()) return {};
  const float highest = *std::max_element(logits.begin(), logits.end());
  std::vector<float> shares;
  shares.reserve(logits.size());
  float sum = 0;
  for (float logit : logits) sum += shares.emplace_back(std::exp(logit - highest));
  for (float& share : shares) share /= sum;
  return shares;
}

std::vector<Prediction> Rank(absl::Span<const float> logits, int top_k) {
  const std::vector<float> shares = Softmax(logits);
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const size_t count = std::min<size_t>(top_k, logits.size());
  // Sorting needs an order that NaN has none in.
  auto rank = [&](int id) {
    return std::isnan(logits[id]) ? -std::numeric_limits<float>::infinity() : logits[id];
  };
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int a, int b) {
    return rank(a) > rank(b) || (rank(a) == rank(b) && a < b);
  });

  std::vector<Prediction> ranked;
  ranked.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    ranked.push_back({order[i], shares[order[i]], logits[order[i]]});
  }
  return ranked;
}

}  // namespace patchserve
