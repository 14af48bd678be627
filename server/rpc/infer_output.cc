#include "server/rpc/infer_output.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "server/pipeline/ranking.h"

namespace patchserve {
namespace {

using OutputTensor = inference::ModelInferResponse::InferOutputTensor;

void Append(absl::Span<const float> values, std::string& raw) {
  raw.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

// A BYTES element.
void Append(const std::string& text, std::string& raw) {
  const uint32_t length = static_cast<uint32_t>(text.size());
  raw.append(reinterpret_cast<const char*>(&length), sizeof(length));
  raw.append(text);
}

int Columns(const Answer& answer, const WantedOutput& output) {
  const ModelDescription& description = answer.model->description;
  const int classes = static_cast<int>(description.classes.size());
  if (output.classification > 0) return std::min(output.classification, classes);
  switch (output.kind) {
    case OutputKind::kEmbedding:
      return description.embedding_size;
    case OutputKind::kLabel:
      return 1;
    default:
      return classes;
  }
}

// Triton's classification extension.
void AppendRanked(const Answer& answer, const WantedOutput& output, std::string& raw) {
  for (const Prediction& prediction : Rank(answer.logits, output.classification)) {
    const bool logits = output.kind == OutputKind::kLogits;
    Append(absl::StrFormat("%f:%d:%s", logits ? prediction.logit : prediction.probability,
                           prediction.class_id,
                           answer.model->description.classes[prediction.class_id].label),
           raw);
  }
}

void AppendRow(const Answer& answer, const WantedOutput& output, std::string& raw) {
  if (output.classification > 0) return AppendRanked(answer, output, raw);
  switch (output.kind) {
    case OutputKind::kProbabilities:
      return Append(Softmax(answer.logits), raw);
    case OutputKind::kLogits:
      return Append(answer.logits, raw);
    case OutputKind::kEmbedding:
      return Append(answer.embedding, raw);
    case OutputKind::kLabel:
      return Append(answer.model->description.classes[answer.predictions[0].class_id].label, raw);
  }
}

}  // namespace

void WriteOutputs(absl::Span<const Answer> answers, absl::Span<const WantedOutput> outputs,
                  inference::ModelInferResponse& response) {
  for (const WantedOutput& output : outputs) {
    OutputTensor& tensor = *response.add_outputs();
    const bool text = output.classification > 0 || output.kind == OutputKind::kLabel;
    tensor.set_name(NameOf(output.kind));
    tensor.set_datatype(text ? "BYTES" : "FP32");
    tensor.add_shape(static_cast<int64_t>(answers.size()));
    tensor.add_shape(Columns(answers[0], output));
    std::string& raw = *response.add_raw_output_contents();
    for (const Answer& answer : answers) AppendRow(answer, output, raw);
  }
}

}  // namespace patchserve
