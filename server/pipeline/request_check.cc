#include "server/pipeline/request_check.h"

#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"
#include "server/base/quote.h"
#include "server/base/status.h"
#include "server/image/decode.h"
#include "server/image/header.h"
#include "server/image/preprocess.h"
#include "server/pipeline/tensor_input.h"

namespace patchserve {
namespace {

constexpr int kDefaultTopK = 5;

absl::Status CheckVersion(const ClassifyRequest& request, const ServedModel& model) {
  if (request.version.empty() || request.version == model.description.version) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat("model ", model.name, " is at version ",
                                                    model.description.version, ", not ",
                                                    Quote(request.version)));
}

absl::Status CheckParts(const ClassifyRequest& request, const ServedModel& model) {
  if (request.normalize_embedding && !request.embedding) {
    return absl::InvalidArgumentError(
        "normalize_embedding is set and embedding isn't: there is nothing to normalize");
  }
  if (request.embedding || !model.description.classes.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "model ", model.name, " has no classifier, so it has no predictions: set embedding"));
}

absl::StatusOr<ImageInfo> CheckImage(const ClassifyRequest& request, const ImageLimits& limits,
                                     const Preprocessing& how) {
  if (const auto* file = std::get_if<absl::Span<const uint8_t>>(&request.image)) {
    ImageInfo info;
    if (request.header != nullptr) {
      info = *request.header;
    } else {
      ASSIGN_OR_RETURN(info, ReadHeader(*file, limits));
    }
    info.shrink = JpegShrink(info, how);
    return info;
  }
  if (const auto* raw = std::get_if<RawPixels>(&request.image)) {
    return CheckRaw(raw->pixels, raw->width, raw->height, raw->format, limits);
  }
  if (const auto* tensor = std::get_if<TensorImage>(&request.image)) {
    return CheckTensor(*tensor, how);
  }
  return absl::InvalidArgumentError("the request has no image: set encoded or raw");
}

}  // namespace

absl::Status CheckRequest(const ModelRegistry& registry, const ImageLimits& limits, Call& call) {
  ClassifyRequest& request = call.request;
  call.model = request.pinned;
  if (call.model == nullptr) {
    ASSIGN_OR_RETURN(call.model, registry.Find(request.model));
  }
  call.figures = call.model->metrics;
  RETURN_IF_ERROR(CheckVersion(request, *call.model));
  RETURN_IF_ERROR(CheckParts(request, *call.model));
  call.top_k = request.top_k.value_or(kDefaultTopK);
  if (call.top_k < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "top_k is ", call.top_k, "; it must be at least 1, or unset for ", kDefaultTopK));
  }
  ASSIGN_OR_RETURN(call.image, CheckImage(request, limits, call.model->description.preprocessing));
  if (request.deadline == absl::InfiniteFuture()) {
    request.deadline = request.arrival + call.model->default_deadline;
  }
  request.deadline = std::min(request.deadline, request.no_later_than);
  return absl::OkStatus();
}

}  // namespace patchserve
