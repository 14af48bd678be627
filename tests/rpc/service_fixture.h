// The real services over the fake model "fake", called through a real channel.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "patchserve/v1/classification.grpc.pb.h"
#include "server/rpc/classification_service.h"
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
    service = std::make_unique<ClassificationService>(*classifier, registry, /*stream_window=*/4);
    grpc::ServerBuilder builder;
    builder.RegisterService(service.get());
    server = builder.BuildAndStart();
    stub = v1::ImageClassification::NewStub(server->InProcessChannel({}));
  }

  void TearDown() override {
    model.Release();
    service->DrainStreams();
    server->Shutdown();
  }

  grpc::Status Call(const v1::ClassifyRequest& request, v1::ClassifyResponse* response) {
    grpc::ClientContext context;
    return stub->Classify(&context, request, response);
  }

  std::unique_ptr<ClassificationService> service;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<v1::ImageClassification::Stub> stub;
};

}  // namespace patchserve
