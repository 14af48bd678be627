#include "server/rpc/infer_options.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"
#include "server/base/quote.h"
#include "server/base/status.h"

namespace patchserve {
namespace {

using Parameters = google::protobuf::Map<std::string, inference::InferParameter>;
using RequestedOutput = inference::ModelInferRequest::InferRequestedOutputTensor;

constexpr OutputKind kOutputs[] = {OutputKind::kProbabilities, OutputKind::kLogits,
                                   OutputKind::kEmbedding, OutputKind::kLabel};

// The parameter's value, nothing if it isn't there.
// Errors: INVALID_ARGUMENT: not an integer, or below 0.
absl::StatusOr<std::optional<int64_t>> ReadCount(const Parameters& parameters, const char* name) {
  const auto it = parameters.find(name);
  if (it == parameters.end()) return std::nullopt;
  const inference::InferParameter& value = it->second;
  switch (value.parameter_choice_case()) {
    case inference::InferParameter::kInt64Param:
      if (value.int64_param() >= 0) return value.int64_param();
      return absl::InvalidArgumentError(
          absl::StrCat("parameter ", name, " is ", value.int64_param(), ", below 0"));
    case inference::InferParameter::kUint64Param:
      return static_cast<int64_t>(
          std::min<uint64_t>(value.uint64_param(), std::numeric_limits<int64_t>::max()));
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("parameter ", name, " is neither int64_param nor uint64_param"));
  }
}

// False if it isn't there. Errors: INVALID_ARGUMENT: not a bool.
absl::StatusOr<bool> ReadSwitch(const Parameters& parameters, const char* name) {
  const auto it = parameters.find(name);
  if (it == parameters.end()) return false;
  if (it->second.parameter_choice_case() != inference::InferParameter::kBoolParam) {
    return absl::InvalidArgumentError(absl::StrCat("parameter ", name, " is not bool_param"));
  }
  return it->second.bool_param();
}

absl::StatusOr<OutputKind> ReadKind(const std::string& name) {
  for (OutputKind kind : kOutputs) {
    if (name == NameOf(kind)) return kind;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "there is no output ", Quote(name), "; there is probabilities, logits, embedding and label"));
}

absl::StatusOr<WantedOutput> ReadOutput(const RequestedOutput& message,
                                        const ModelDescription& model) {
  WantedOutput output;
  ASSIGN_OR_RETURN(output.kind, ReadKind(message.name()));
  if (model.classes.empty() && output.kind != OutputKind::kEmbedding) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no output ", message.name(),
                     " of this model, which has no classifier; its one output is embedding"));
  }
  if (message.parameters().contains("shared_memory_region")) {
    return absl::UnimplementedError("shared memory isn't implemented: outputs come in the answer");
  }
  ASSIGN_OR_RETURN(const auto classes, ReadCount(message.parameters(), "classification"));
  if (!classes.has_value()) return output;
  const bool ranked =
      output.kind == OutputKind::kProbabilities || output.kind == OutputKind::kLogits;
  if (*classes < 1 || !ranked) {
    return absl::InvalidArgumentError(
        absl::StrCat("classification is ", *classes, " on output ", message.name(),
                     "; it is for probabilities and logits, and at least 1"));
  }
  output.classification =
      static_cast<int>(std::min<int64_t>(*classes, std::numeric_limits<int>::max()));
  return output;
}

Criticality FromPriority(int64_t priority) {
  if (priority == 1) return Criticality::kCritical;
  return priority <= 2 ? Criticality::kDefault : Criticality::kSheddable;
}

}  // namespace

bool InferOptions::Wants(OutputKind kind) const {
  return std::any_of(outputs.begin(), outputs.end(),
                     [kind](const WantedOutput& output) { return output.kind == kind; });
}

const char* NameOf(OutputKind kind) {
  switch (kind) {
    case OutputKind::kProbabilities:
      return "probabilities";
    case OutputKind::kLogits:
      return "logits";
    case OutputKind::kEmbedding:
      return "embedding";
    case OutputKind::kLabel:
      return "label";
  }
  return "";
}

DefaultOutput DefaultOutputOf(const ModelDescription& model) {
  if (model.classes.empty()) return {OutputKind::kEmbedding, model.embedding_size};
  return {OutputKind::kProbabilities, static_cast<int>(model.classes.size())};
}

absl::StatusOr<InferOptions> ReadOptions(const inference::ModelInferRequest& message,
                                         const ModelDescription& model) {
  InferOptions options;
  for (const RequestedOutput& requested : message.outputs()) {
    ASSIGN_OR_RETURN(const WantedOutput output, ReadOutput(requested, model));
    if (options.Wants(output.kind)) {
      return absl::InvalidArgumentError(
          absl::StrCat("output ", requested.name(), " is asked for twice"));
    }
    options.outputs.push_back(output);
  }
  if (options.outputs.empty()) options.outputs.push_back({DefaultOutputOf(model).kind});
  ASSIGN_OR_RETURN(options.normalize_embedding,
                   ReadSwitch(message.parameters(), "normalize_embedding"));
  if (options.normalize_embedding && !options.Wants(OutputKind::kEmbedding)) {
    return absl::InvalidArgumentError(
        "parameter normalize_embedding is set and output embedding isn't asked for");
  }
  ASSIGN_OR_RETURN(const auto priority, ReadCount(message.parameters(), "priority"));
  options.criticality = FromPriority(priority.value_or(0));
  ASSIGN_OR_RETURN(const auto timeout, ReadCount(message.parameters(), "timeout"));
  if (timeout.value_or(0) > 0) options.timeout = absl::Microseconds(*timeout);
  return options;
}

}  // namespace patchserve
