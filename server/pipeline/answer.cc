#include "server/pipeline/answer.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace patchserve {

absl::StatusOr<Answer> MakeAnswer(const ServedModel& model, const BatchOutput& output, int row,
                                  const AnswerParts& parts) {
  const size_t classes = model.description.classes.size();
  const auto logits = absl::MakeConstSpan(output.logits).subspan(row * classes, classes);
  const bool finite =
      std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); });
  if (!finite && !parts.any_logits) {
    return absl::InternalError(
        absl::StrCat("model ", model.name, " computed logits that aren't finite for this image"));
  }
  Answer answer;
  answer.predictions = Rank(logits, parts.top_k);
  if (parts.logits) answer.logits.assign(logits.begin(), logits.end());
  if (parts.embedding) {
    const size_t size = model.description.embedding_size;
    const auto features = absl::MakeConstSpan(output.embeddings).subspan(row * size, size);
    answer.embedding.assign(features.begin(), features.end());
  }
  return answer;
}

}  // namespace patchserve
