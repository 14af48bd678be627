// What the rest of the server sees of a loaded model: plain data and one function
// type. No LibTorch here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/image/preprocessing.h"

namespace patchserve {

struct ClassName {
  std::string label;  // "n02123045", "cat"; the class id in digits where the folder names none
  std::string description;  // "tabby, tabby cat"; may be empty
};

struct ModelDescription {
  std::string architecture;  // config.json's, such as "convmixer_768_32"
  std::string version;       // first 12 hex digits of SHA-256 over config.json and the weights
  std::string commit;        // of a model of a hub; else empty
  Preprocessing preprocessing;
  std::vector<ClassName> classes;  // by class id; none: no classifier, embeddings only
  int embedding_size = 0;
  std::string precision;       // "float32", "bfloat16" or "float16"
  std::string device;          // "cpu" or "cuda:0"
  std::string weights_prefix;  // what was taken off the names of all tensors; nearly always empty
};

struct BatchOutput {
  // Row-major float32, one row an image in the order given.
  std::vector<float> logits;      // [N, classes], before softmax; empty without a classifier
  std::vector<float> embeddings;  // [N, embedding_size]; empty unless asked for
};

// One image: preprocessing.bytes() bytes of RGB, rows without padding; or as many
// floats [3, height, width], normalised already.
using ModelInput = std::variant<const uint8_t*, const float*>;

// Runs one batch, padded to a bucket of so many images (at least as many as there are); the answers
// have a row for each of `images` alone. Called by several runners at once.
// Errors: RESOURCE_EXHAUSTED: the device has too little memory for this batch (a
// smaller one may fit). UNAVAILABLE: the device is lost, nothing will run on it
// again. INTERNAL: anything else.
using ForwardFunction = std::function<absl::StatusOr<BatchOutput>(
    absl::Span<const ModelInput> images, int bucket, bool embeddings)>;

}  // namespace patchserve
