// patchserve.v1.ImageClassification over the pipeline.
#pragma once

#include <memory>

#include "grpcpp/grpcpp.h"
#include "patchserve/v1/classification.grpc.pb.h"
#include "server/pipeline/classifier.h"
#include "server/pipeline/model_registry.h"
#include "server/rpc/access_log.h"
#include "server/rpc/open_calls.h"

namespace patchserve {

// gRPC calls the handlers on its own threads; none of them blocks. Messages that can't be parsed
// are INVALID_ARGUMENT (parsed_method.h); ClassifyStream (classify_stream.h) parses its own.
class ClassificationService final : public v1::ImageClassification::CallbackService {
 public:
  // All must outlive the server that this is registered with. `stream_window` is
  // the most unanswered requests of one stream.
  ClassificationService(Classifier& classifier, const ModelRegistry& registry,
                        OpenCalls& open_calls, AccessLog& access_log, int stream_window);

  grpc::ServerUnaryReactor* Classify(grpc::CallbackServerContext* context,
                                     const v1::ClassifyRequest* request,
                                     v1::ClassifyResponse* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;

 private:
  Classifier& classifier_;
  const ModelRegistry& registry_;
  OpenCalls& open_calls_;
  AccessLog& access_log_;
};

}  // namespace patchserve
