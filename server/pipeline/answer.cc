#include "server/pipeline/answer.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace patchserve {
namespace {

// A vector of zeros stays one.
void ScaleToLength1(std::vector<float>& vector) {
  double squares = 0;
  for (float x : vector) squares += double{x} * x;
  if (squares == 0) return;
  const double scale = 1 / std::sqrt(squares);
  for (float& x : vector) x = static_cast<float>(x * scale);
}

bool AllFinite(absl::Span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace

absl::StatusOr<Answer> MakeAnswer(const ServedModel& model, const BatchOutput& output, int row,
                                  const AnswerParts& parts) {
  const size_t classes = model.description.classes.size();
  const auto logits = absl::MakeConstSpan(output.logits).subspan(row * classes, classes);
  const size_t size = parts.embedding ? model.description.embedding_size : 0;
  const auto embedding = absl::MakeConstSpan(output.embeddings).subspan(row * size, size);
  const bool classified = classes > 0;
  if (!parts.any_values && !AllFinite(classified ? logits : embedding)) {
    return absl::InternalError(absl::StrCat(
        "model ", model.name, " computed ",
        classified ? "logits that aren't" : "an embedding that isn't", " finite for this image"));
  }
  Answer answer;
  answer.predictions = Rank(logits, parts.top_k);
  if (parts.logits) answer.logits.assign(logits.begin(), logits.end());
  answer.embedding.assign(embedding.begin(), embedding.end());
  if (parts.normalize) ScaleToLength1(answer.embedding);
  return answer;
}

}  // namespace patchserve
