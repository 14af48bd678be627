// patchserve.v1.ImageClassification over the pipeline.
#pragma once

#include <memory>

#include "grpcpp/grpcpp.h"
#include "patchserve/v1/classification.grpc.pb.h"
#include "server/rpc/services.h"

namespace patchserve {

// gRPC calls the handlers on its own threads; none of them blocks. Messages that can't be parsed
// are INVALID_ARGUMENT (parsed_method.h); ClassifyStream (classify_stream.h) parses its own.
class ClassificationService final : public v1::ImageClassification::CallbackService {
 public:
  explicit ClassificationService(const Services& services);

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
  const Services& services_;
};

}  // namespace patchserve
