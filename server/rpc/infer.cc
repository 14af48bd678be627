#include "server/rpc/infer.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/pipeline/classify_all.h"
#include "server/pipeline/model_input.h"
#include "server/rpc/infer_input.h"
#include "server/rpc/infer_options.h"
#include "server/rpc/infer_output.h"

namespace patchserve {
namespace {

struct ParsedRequest {
  std::shared_ptr<const ServedModel> model;
  InferImages input;
  InferOptions options;
};

absl::StatusOr<ParsedRequest> Parse(const ModelRegistry& registry, const NamedInput& named,
                                    const inference::ModelInferRequest& message) {
  ParsedRequest request;
  ASSIGN_OR_RETURN(request.model, FindNamed(registry, named));
  RETURN_IF_ERROR(CheckModelVersion(request.model->name, message.model_version()));
  ASSIGN_OR_RETURN(request.options, ReadOptions(message, request.model->description));
  ASSIGN_OR_RETURN(request.input, ReadInput(message, *request.model, named.kind));
  return request;
}

std::vector<ClassifyRequest> Images(const inference::ModelInferRequest& message,
                                    const ParsedRequest& parsed, const Caller& caller) {
  const InferOptions& options = parsed.options;
  ClassifyRequest request{.model = parsed.model->name, .top_k = 1};
  request.embedding = options.Wants(OutputKind::kEmbedding);
  request.normalize_embedding = options.normalize_embedding;
  request.logits = options.Wants(OutputKind::kProbabilities) || options.Wants(OutputKind::kLogits);
  request.criticality = options.criticality;
  FillIn(caller, options.timeout ? caller.arrival + *options.timeout : caller.deadline, request);
  std::vector<ClassifyRequest> requests(parsed.input.images.size(), request);
  auto around = static_cast<int64_t>(message.SpaceUsedLong() + parsed.input.pixels.size());
  for (const RequestImage& image : parsed.input.images) around -= SentBytes(image);
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].image = parsed.input.images[i];
    requests[i].message_bytes =
        SentBytes(requests[i].image) + around / static_cast<int64_t>(requests.size());
  }
  return requests;
}

void WriteAnswer(const inference::ModelInferRequest& message, const ParsedRequest& parsed,
                 absl::Span<const Answer> answers, inference::ModelInferResponse& response) {
  response.set_model_name(message.model_name().empty() ? parsed.model->name : message.model_name());
  response.set_model_version(kOnlyVersion);
  response.set_id(message.id());
  WriteOutputs(answers, parsed.options.outputs, response);
}

}  // namespace

void Infer(Classifier& classifier, const ModelRegistry& registry,
           const inference::ModelInferRequest& message, const Caller& caller,
           inference::ModelInferResponse& response, InferDone done) {
  const NamedInput named = ParseModelName(registry, message.model_name());
  absl::StatusOr<ParsedRequest> request = Parse(registry, named, message);
  if (!request.ok()) {
    classifier.Refuse({.model = named.model, .arrival = caller.arrival}, request.status(),
                      [done = std::move(done)](const absl::StatusOr<Answer>& refusal) mutable {
                        std::move(done)(refusal.status());
                      });
    return;
  }
  // The images borrow from it until all are answered.
  auto parsed = std::make_unique<ParsedRequest>(*std::move(request));
  std::vector<ClassifyRequest> images = Images(message, *parsed, caller);
  std::shared_ptr<const ServedModel> model = parsed->model;
  ClassifyAll(classifier, std::move(model), std::move(images),
              [&message, &response, parsed = std::move(parsed),
               done = std::move(done)](absl::StatusOr<std::vector<Answer>> answers) mutable {
                if (answers.ok()) WriteAnswer(message, *parsed, *answers, response);
                std::move(done)(answers);
              });
}

}  // namespace patchserve
