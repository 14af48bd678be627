#include "server/rpc/inference_service.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/quote.h"
#include "server/base/status.h"
#include "server/rpc/caller.h"
#include "server/rpc/infer.h"
#include "server/rpc/infer_input.h"
#include "server/rpc/infer_stream.h"
#include "server/rpc/model_metadata.h"
#include "server/rpc/parsed_method.h"
#include "server/rpc/status.h"
#include "server/rpc/unary_call.h"

namespace patchserve {
namespace {

class InferCall final : public UnaryCall {
 public:
  InferCall(const Services& services, grpc::CallbackServerContext& context,
            const inference::ModelInferRequest& message, inference::ModelInferResponse& response)
      : UnaryCall(services, context) {
    Infer(services.classifier, services.registry, message, caller(), response,
          [this, &message](const absl::StatusOr<std::vector<Answer>>& images) {
            End(OutcomeOf(message.model_name(), images));
          });
  }
};

absl::Status NoChanges() {
  return absl::UnimplementedError("models are loaded and unloaded only with --repository_control");
}

// Triton's clients have the name in one field, KServe's in the other; NAME.pixels and NAME.tensor
// are NAME.
template <typename Request>
std::string NameIn(const ModelRegistry& registry, const Request& request) {
  const std::string& name =
      request.model_name().empty() ? request.repository_name() : request.model_name();
  return std::string(ParseModelName(registry, name).model);
}

// A change of one model that the response answers: `change` is ModelChanges' Load or Unload,
// `show` writes whether it was made.
template <typename Response>
class ChangeCall final : public UnaryCall {
 public:
  using Change = void (ModelChanges::*)(const std::string&, const ModelChanges::Done&,
                                        const Cancellation*);

  ChangeCall(ModelChanges& changes, Change change, void (Response::*show)(bool), std::string name,
             Response& response, const Services& services, grpc::CallbackServerContext& context)
      : UnaryCall(services, context) {
    response.set_model_name(std::move(name));
    (changes.*change)(
        response.model_name(),
        [this, show, &response](const absl::Status& status) {
          (response.*show)(status.ok());
          End({response.model_name(), status, {}});
        },
        caller().cancellation);
  }
};

struct FoundModel {
  std::shared_ptr<const ServedModel> model;
  std::string name;  // as it was called, but never empty
  InputKind kind = InputKind::kFile;
};

// Errors: NOT_FOUND, UNAVAILABLE.
absl::StatusOr<FoundModel> FindModel(const ModelRegistry& registry, const std::string& name,
                                     const std::string& version) {
  const NamedInput named = ParseModelName(registry, name);
  FoundModel found{.name = name, .kind = named.kind};
  ASSIGN_OR_RETURN(found.model, FindNamed(registry, named));
  if (name.empty()) found.name = found.model->name;
  RETURN_IF_ERROR(CheckModelVersion(found.name, version));
  return found;
}

}  // namespace

InferenceService::InferenceService(const Services& services, const HealthService& health,
                                   ModelChanges* changes, std::string name, std::string version,
                                   int64_t max_message_bytes)
    : services_(services),
      health_(health),
      changes_(changes),
      name_(std::move(name)),
      version_(std::move(version)),
      max_message_bytes_(max_message_bytes) {
  const auto refuse = Refusing(services_);
  const auto mark = [this](int method, grpc::internal::MethodHandler* handler) {
    MarkMethodStreamed(method, nullptr);
    MarkMethodCallback(method, handler);
  };
  // By their numbers in the .proto.
  mark(0, ParsedUnary(this, &InferenceService::ServerLive, refuse));
  mark(1, ParsedUnary(this, &InferenceService::ServerReady, refuse));
  mark(2, ParsedUnary(this, &InferenceService::ModelReady, refuse));
  mark(3, ParsedUnary(this, &InferenceService::ServerMetadata, refuse));
  mark(4, ParsedUnary(this, &InferenceService::ModelMetadata, refuse));
  mark(5, ParsedUnary(this, &InferenceService::ModelConfig, refuse));
  mark(6, ParsedUnary(this, &InferenceService::ModelInfer, refuse, kNoLimit));
  MarkMethodCallback(7,
                     new grpc::internal::CallbackBidiHandler<grpc::ByteBuffer,
                                                             inference::ModelStreamInferResponse>(
                         [this](grpc::CallbackServerContext* context) {
                           return OpenInferStream(services_, *context);
                         }));
  mark(8, ParsedUnary(this, &InferenceService::ModelStatistics, refuse));
  mark(9, ParsedUnary(this, &InferenceService::RepositoryIndex, refuse));
  mark(10, ParsedUnary(this, &InferenceService::RepositoryModelLoad, refuse));
  mark(11, ParsedUnary(this, &InferenceService::RepositoryModelUnload, refuse));
}

grpc::ServerUnaryReactor* InferenceService::ServerLive(grpc::CallbackServerContext* context,
                                                       const inference::ServerLiveRequest*,
                                                       inference::ServerLiveResponse* response) {
  response->set_live(true);
  return Answered(*context);
}

grpc::ServerUnaryReactor* InferenceService::ServerReady(grpc::CallbackServerContext* context,
                                                        const inference::ServerReadyRequest*,
                                                        inference::ServerReadyResponse* response) {
  response->set_ready(health_.Serving(""));
  return Answered(*context);
}

grpc::ServerUnaryReactor* InferenceService::ModelReady(grpc::CallbackServerContext* context,
                                                       const inference::ModelReadyRequest* request,
                                                       inference::ModelReadyResponse* response) {
  const auto found = FindModel(services_.registry, request->name(), request->version());
  response->set_ready(found.ok() && health_.Serving(found->model->name));
  return Answered(*context);
}

grpc::ServerUnaryReactor* InferenceService::ServerMetadata(
    grpc::CallbackServerContext* context, const inference::ServerMetadataRequest*,
    inference::ServerMetadataResponse* response) {
  response->set_name(name_);
  response->set_version(version_);
  for (const char* extension :
       {"classification", "model_configuration", "schedule_policy", "statistics"}) {
    response->add_extensions(extension);
  }
  if (changes_ != nullptr) response->add_extensions("model_repository");
  return Answered(*context);
}

grpc::ServerUnaryReactor* InferenceService::ModelMetadata(
    grpc::CallbackServerContext* context, const inference::ModelMetadataRequest* request,
    inference::ModelMetadataResponse* response) {
  const auto found = FindModel(services_.registry, request->name(), request->version());
  if (found.ok()) *response = WriteMetadata(*found->model, found->name, found->kind);
  return Answered(*context, found.status());
}

grpc::ServerUnaryReactor* InferenceService::ModelConfig(
    grpc::CallbackServerContext* context, const inference::ModelConfigRequest* request,
    inference::ModelConfigResponse* response) {
  const auto found = FindModel(services_.registry, request->name(), request->version());
  if (found.ok()) {
    *response->mutable_config() =
        WriteConfig(*found->model, found->name, found->kind, max_message_bytes_);
  }
  return Answered(*context, found.status());
}

grpc::ServerUnaryReactor* InferenceService::ModelInfer(grpc::CallbackServerContext* context,
                                                       const inference::ModelInferRequest* request,
                                                       inference::ModelInferResponse* response) {
  return new InferCall(services_, *context, *request, *response);
}

grpc::ServerUnaryReactor* InferenceService::ModelStatistics(
    grpc::CallbackServerContext* context, const inference::ModelStatisticsRequest* request,
    inference::ModelStatisticsResponse* response) {
  if (request->name().empty()) {
    for (const ModelEntry& entry : services_.registry.List()) {
      if (entry.model == nullptr) continue;
      *response->add_model_stats() =
          WriteStatistics(entry.model->metrics->statistics().Get(), entry.name);
    }
    return Answered(*context);
  }
  const auto found = FindModel(services_.registry, request->name(), request->version());
  if (found.ok()) {
    *response->add_model_stats() =
        WriteStatistics(found->model->metrics->statistics().Get(), found->name);
  }
  return Answered(*context, found.status());
}

grpc::ServerUnaryReactor* InferenceService::RepositoryIndex(
    grpc::CallbackServerContext* context, const inference::RepositoryIndexRequest* request,
    inference::RepositoryIndexResponse* response) {
  for (const ModelEntry& entry : services_.registry.List()) {
    if (request->ready() && entry.state != ModelState::kReady) continue;
    *response->add_models() = WriteIndex(entry);
  }
  return Answered(*context);
}

grpc::ServerUnaryReactor* InferenceService::RepositoryModelLoad(
    grpc::CallbackServerContext* context, const inference::RepositoryModelLoadRequest* request,
    inference::RepositoryModelLoadResponse* response) {
  if (changes_ == nullptr) return Answered(*context, NoChanges());
  if (!request->parameters().empty()) {
    return Answered(*context, absl::InvalidArgumentError(absl::StrCat(
                                  "a model is loaded from its folder as it is, without parameter ",
                                  Quote(request->parameters().begin()->first))));
  }
  return new ChangeCall(*changes_, &ModelChanges::Load,
                        &inference::RepositoryModelLoadResponse::set_isloaded,
                        NameIn(services_.registry, *request), *response, services_, *context);
}

grpc::ServerUnaryReactor* InferenceService::RepositoryModelUnload(
    grpc::CallbackServerContext* context, const inference::RepositoryModelUnloadRequest* request,
    inference::RepositoryModelUnloadResponse* response) {
  if (changes_ == nullptr) return Answered(*context, NoChanges());
  return new ChangeCall(*changes_, &ModelChanges::Unload,
                        &inference::RepositoryModelUnloadResponse::set_isunloaded,
                        NameIn(services_.registry, *request), *response, services_, *context);
}

}  // namespace patchserve
