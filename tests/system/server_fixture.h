// A client's view of the running binary.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "patchserve/v1/classification.grpc.pb.h"
#include "tests/system/server_process.h"

namespace patchserve {

inline const std::string kTestModels = PATCHSERVE_TEST_DATA "/models";

inline std::string ReadFile(const std::string& path) {
  std::stringstream contents;
  contents << std::ifstream(path, std::ios::binary).rdbuf();
  return contents.str();
}

inline std::string TestImage(const std::string& name) {
  return ReadFile(PATCHSERVE_TEST_DATA "/images/" + name);
}

inline v1::ClassifyRequest EncodedRequest(std::string bytes, const std::string& model = "") {
  v1::ClassifyRequest request;
  request.set_model(model);
  request.set_encoded(std::move(bytes));
  return request;
}

// A running server and a channel to it.
struct ServingProcess {
  explicit ServingProcess(const std::vector<std::string>& arguments,
                          const std::vector<std::string>& launcher = {},
                          const std::string& program = "")
      : process(arguments, launcher, program), serving(process.WaitUntilServing()) {
    if (!serving) return;
    channel = grpc::CreateChannel(process.address(), grpc::InsecureChannelCredentials());
    stub = v1::ImageClassification::NewStub(channel);
    health = grpc::health::v1::Health::NewStub(channel);
  }

  grpc::Status Classify(const v1::ClassifyRequest& request, v1::ClassifyResponse* response) {
    grpc::ClientContext context;
    return stub->Classify(&context, request, response);
  }

  // "SERVING", "NOT_SERVING", or the name of the error.
  std::string Health(const std::string& name) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    grpc::health::v1::HealthCheckResponse response;
    request.set_service(name);
    if (!health->Check(&context, request, &response).ok()) return "error";
    return grpc::health::v1::HealthCheckResponse::ServingStatus_Name(response.status());
  }

  ServerProcess process;
  const bool serving;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::ImageClassification::Stub> stub;
  std::unique_ptr<grpc::health::v1::Health::Stub> health;
};

}  // namespace patchserve
