// The real services over the fake model "fake", called through a real channel.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "inference/grpc_service.grpc.pb.h"
#include "patchserve/v1/classification.grpc.pb.h"
#include "server/rpc/classification_service.h"
#include "server/rpc/health_service.h"
#include "server/rpc/inference_service.h"
#include "server/rpc/open_calls.h"
#include "server/rpc/other_methods.h"
#include "server/rpc/services.h"
#include "tests/pipeline/classifier_fixture.h"

namespace patchserve {

// A picture of 2 x 2 pixels, of one colour, for the model "fake".
inline v1::ClassifyRequest ColourRequest(uint8_t r, uint8_t g, uint8_t b) {
  v1::ClassifyRequest request;
  const std::vector<uint8_t> pixels = Colour(r, g, b);
  request.mutable_raw()->set_width(2);
  request.mutable_raw()->set_height(2);
  request.mutable_raw()->set_format(v1::RAW_FORMAT_RGB);
  request.mutable_raw()->set_pixels(pixels.data(), pixels.size());
  return request;
}

class ServiceTest : public ClassifierTest {
 protected:
  void SetUp() override {
    Start();
    services.reset(new Services{*classifier, registry, open_calls, access_log,
                                /*stream_window=*/4});
    service = std::make_unique<ClassificationService>(*services);
    inference_service =
        std::make_unique<InferenceService>(*services, health, changes.get(), "patchserve", "0.0",
                                           /*max_message_bytes=*/1000);
    grpc::ServerBuilder builder;
    builder.RegisterService(service.get());
    builder.RegisterService(inference_service.get());
    builder.RegisterCallbackGenericService(&other_methods);
    server = builder.BuildAndStart();
    channel = server->InProcessChannel({});
    stub = v1::ImageClassification::NewStub(channel);
    oip = inference::GRPCInferenceService::NewStub(channel);
  }

  void TearDown() override {
    model.Release();
    open_calls.DrainStreams();
    server->Shutdown();
  }

  grpc::Status Call(const v1::ClassifyRequest& request, v1::ClassifyResponse* response) {
    grpc::ClientContext context;
    return stub->Classify(&context, request, response);
  }

  // Of a stream that has written four requests to the model, which is held.
  template <typename Stream>
  void ExpectThatCancellingLeavesNothingBehind(grpc::ClientContext& context, Stream& stream) {
    model.WaitUntilBusy(1);
    WaitUntilShows("patchserve_in_flight 4");
    context.TryCancel();
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::CANCELLED);
    model.Release();
    WaitUntilShows("patchserve_in_flight 0");
  }

  HealthService health;
  OtherMethods other_methods;
  OpenCalls open_calls;
  AccessLog access_log{1,
                       [this](const AccessEntry& entry) {
                         std::lock_guard lock(mutex);
                         logged.push_back(entry);
                       },
                       "fake"};
  std::mutex mutex;
  std::vector<AccessEntry> logged;        // guarded by mutex
  std::unique_ptr<ModelChanges> changes;  // null unless set before SetUp
  std::unique_ptr<Services> services;
  std::unique_ptr<ClassificationService> service;
  std::unique_ptr<InferenceService> inference_service;
  std::unique_ptr<grpc::Server> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::ImageClassification::Stub> stub;
  std::unique_ptr<inference::GRPCInferenceService::Stub> oip;
};

}  // namespace patchserve
