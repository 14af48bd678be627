// Requests of the Open Inference Protocol to the fake model.
#pragma once

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "inference/grpc_service.grpc.pb.h"
#include "tests/rpc/service_fixture.h"

namespace patchserve {

// A BYTES element as raw contents have it.
inline std::string Element(const std::string& bytes) {
  const uint32_t length = static_cast<uint32_t>(bytes.size());
  return std::string(reinterpret_cast<const char*>(&length), 4) + bytes;
}

// A BMP file of 2 x 2 pixels of one colour.
inline std::string ColourFile(uint8_t r, uint8_t g, uint8_t b) {
  std::string file("BM\x46\0\0\0\0\0\0\0\x36\0\0\0", 14);  // 70 bytes, pixels from 54 on
  file += std::string("\x28\0\0\0\2\0\0\0\2\0\0\0\1\0\x18\0", 16) + std::string(24, '\0');
  for (int row = 0; row < 2; ++row) {
    for (int i = 0; i < 2; ++i)
      file += {static_cast<char>(b), static_cast<char>(g), static_cast<char>(r)};
    file += std::string(2, '\0');  // rows are padded to four bytes
  }
  return file;
}

// One input "image", its values in raw_input_contents.
inline inference::ModelInferRequest RawRequest(const std::string& model,
                                               const std::string& datatype,
                                               const std::vector<int64_t>& shape,
                                               const std::string& values) {
  inference::ModelInferRequest request;
  request.set_model_name(model);
  inference::ModelInferRequest::InferInputTensor& input = *request.add_inputs();
  input.set_name("image");
  input.set_datatype(datatype);
  input.mutable_shape()->Assign(shape.begin(), shape.end());
  request.add_raw_input_contents(values);
  return request;
}

inline inference::ModelInferRequest FileRequest(const std::vector<std::string>& files) {
  std::string raw;
  for (const std::string& file : files) raw += Element(file);
  return RawRequest("fake", "BYTES", {static_cast<int64_t>(files.size()), 1}, raw);
}

inline void Ask(inference::ModelInferRequest& request, const std::string& output) {
  request.add_outputs()->set_name(output);
}

inline inference::InferParameter Number(int64_t value) {
  inference::InferParameter parameter;
  parameter.set_int64_param(value);
  return parameter;
}

inline std::vector<float> Floats(const std::string& raw) {
  std::vector<float> values(raw.size() / sizeof(float));
  std::memcpy(values.data(), raw.data(), raw.size());
  return values;
}

class InferTest : public ServiceTest {
 protected:
  grpc::Status Infer(const inference::ModelInferRequest& request) {
    grpc::ClientContext context;
    response.Clear();
    return oip->ModelInfer(&context, request, &response);
  }

  // The first output's values; empty if the call fails.
  std::vector<float> Values(const inference::ModelInferRequest& request) {
    const grpc::Status status = Infer(request);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return status.ok() ? Floats(response.raw_output_contents(0)) : std::vector<float>();
  }

  // A good call that runs until model.Release(). To be joined.
  std::thread HoldOne() {
    model.Hold();
    std::thread call([this] {
      grpc::ClientContext context;
      inference::ModelInferResponse ignored;
      EXPECT_TRUE(oip->ModelInfer(&context, FileRequest({ColourFile(1, 2, 3)}), &ignored).ok());
    });
    model.WaitUntilBusy(1);
    return call;
  }

  inference::ModelInferResponse response;
};

// Of a model without a classifier.
class EncoderInferTest : public InferTest {
 protected:
  EncoderInferTest() { model.classifies = false; }
};

}  // namespace patchserve
