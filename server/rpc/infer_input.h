// What a model takes in the Open Inference Protocol, by the name that it is called with.
//
// The protocol's clients want to find one input and one output. So a model is there under
// three names, one for each kind of input: NAME, NAME.pixels and NAME.tensor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/grpc_service.pb.h"
#include "server/pipeline/model_registry.h"
#include "server/pipeline/request.h"

namespace patchserve {

enum class InputKind {
  kFile,    // BYTES [N] or [N, 1]: JPEG, PNG, WebP or BMP files
  kPixels,  // UINT8 [N, height, width, 3]: RGB, of any size
  kTensor,  // FP32, FP16 or BF16 [N, 3, H, W]: the model's input, normalised already
};

struct NamedInput {
  absl::string_view model;  // the name without the suffix
  InputKind kind = InputKind::kFile;
};

// A model whose own name ends so keeps it.
NamedInput ParseModelName(const ModelRegistry& registry, absl::string_view name);

// As registry.Find. In words that Triton's clients look for where there is no such model.
absl::StatusOr<std::shared_ptr<const ServedModel>> FindNamed(const ModelRegistry& registry,
                                                             const NamedInput& named);

inline constexpr char kInputName[] = "image";

// Every model has this one version only: clients of the protocol want digits.
inline constexpr char kOnlyVersion[] = "1";

// Errors: NOT_FOUND: `version` is neither empty nor "1".
absl::Status CheckModelVersion(absl::string_view model, absl::string_view version);

// The most images of one request: so few that four such requests have places together.
int MaxImages(const ServedModel& model);

struct InferImages {
  std::vector<RequestImage> images;
  std::vector<uint8_t> pixels;  // which the images may borrow, as they may the message's
};

// The images of `message`, which must outlive them.
// Errors: INVALID_ARGUMENT: not one input "image" of the right type and shape, with as
// many values, once. UNIMPLEMENTED: shared memory.
absl::StatusOr<InferImages> ReadInput(const inference::ModelInferRequest& message,
                                      const ServedModel& model, InputKind kind);

}  // namespace patchserve
