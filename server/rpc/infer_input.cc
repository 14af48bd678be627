#include "server/rpc/infer_input.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "server/base/bytes.h"
#include "server/base/criticality.h"
#include "server/base/quote.h"
#include "server/base/status.h"
#include "server/pipeline/tensor_input.h"

namespace patchserve {
namespace {

using InputTensor = inference::ModelInferRequest::InferInputTensor;
using Contents = inference::InferTensorContents;

// Keeps products of sides far from an overflow; the limits of images are tighter.
constexpr int64_t kLongestSide = 1 << 20;

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// Of the types that inputs have here.
int ValuesOfItsType(const InputTensor& input) {
  const Contents& contents = input.contents();
  if (input.datatype() == "BYTES") return contents.bytes_contents_size();
  if (input.datatype() == "UINT8") return contents.uint_contents_size();
  return contents.fp32_contents_size();
}

int ValuesOfAnyType(const Contents& c) {
  return c.bool_contents_size() + c.int_contents_size() + c.int64_contents_size() +
         c.uint_contents_size() + c.uint64_contents_size() + c.fp32_contents_size() +
         c.fp64_contents_size() + c.bytes_contents_size();
}

// Errors: INVALID_ARGUMENT: another datatype, or typed contents of another one.
absl::Status CheckDatatype(const InputTensor& input, std::vector<absl::string_view> allowed) {
  if (std::find(allowed.begin(), allowed.end(), input.datatype()) == allowed.end()) {
    return Invalid("input \"image\" is ", Quote(input.datatype()), ", not ",
                   absl::StrJoin(allowed, ", "));
  }
  if (ValuesOfAnyType(input.contents()) != ValuesOfItsType(input)) {
    return Invalid("input \"image\" is ", input.datatype(), " and has contents of another type");
  }
  return absl::OkStatus();
}

absl::Status WrongShape(const InputTensor& input, absl::string_view wanted) {
  const int shown = std::min(input.shape_size(), 8);
  return Invalid("input \"image\" has shape [",
                 absl::StrJoin(input.shape().begin(), input.shape().begin() + shown, ", "),
                 shown < input.shape_size() ? ", ...]" : "]", ", not ", wanted);
}

// The number of images: the first side.
absl::StatusOr<int> ReadCount(const InputTensor& input, const ServedModel& model) {
  const int64_t count = input.shape(0);
  if (count < 1 || count > MaxImages(model)) {
    return Invalid("the request has ", count, " images, model ", model.name, " takes 1 to ",
                   MaxImages(model));
  }
  return static_cast<int>(count);
}

absl::Status WrongCount(int64_t got, absl::string_view unit, int64_t wanted) {
  return Invalid("input \"image\" has ", got, " ", unit, ", its shape needs ", wanted);
}

// The raw contents of the only input; null: it has typed ones.
// Errors: INVALID_ARGUMENT: both, or more than one raw.
absl::StatusOr<const std::string*> RawContents(const inference::ModelInferRequest& message) {
  const int raw = message.raw_input_contents_size();
  if (raw == 0) return nullptr;
  if (raw != 1) return Invalid("the request has ", raw, " raw_input_contents for one input");
  if (message.inputs(0).contents().ByteSizeLong() > 0) {
    return Invalid("input \"image\" has contents, and the request raw_input_contents: one of them");
  }
  return &message.raw_input_contents(0);
}

// What clients that don't know of the lengths send.
absl::string_view FormatOf(absl::Span<const uint8_t> file) {
  const absl::string_view bytes(reinterpret_cast<const char*>(file.data()), file.size());
  if (absl::StartsWith(bytes, "\xff\xd8\xff")) return "JPEG";
  if (absl::StartsWith(bytes, "\x89PNG")) return "PNG";
  if (absl::StartsWith(bytes, "RIFF")) return "WebP";
  return absl::StartsWith(bytes, "BM") ? "BMP" : "";
}

// Splits raw BYTES: each element follows its length, four bytes, little-endian.
absl::StatusOr<std::vector<RequestImage>> SplitRaw(absl::Span<const uint8_t> raw, int count) {
  std::vector<RequestImage> images;
  while (!raw.empty()) {
    const absl::Span<const uint8_t> element = raw;
    uint32_t length = 0;
    if (raw.size() < sizeof(length)) {
      return Invalid("raw_input_contents ends within the length of element ", images.size());
    }
    std::memcpy(&length, raw.data(), sizeof(length));
    raw.remove_prefix(sizeof(length));
    if (length > raw.size()) {
      if (const absl::string_view format = FormatOf(element); !format.empty()) {
        return Invalid("element ", images.size(), " of raw_input_contents begins as a ", format,
                       " file does: its length, four bytes, little-endian, must stand before it");
      }
      return Invalid("element ", images.size(), " of raw_input_contents is said to have ", length,
                     " bytes, ", raw.size(), " are left");
    }
    if (static_cast<int>(images.size()) == count) {
      return Invalid("raw_input_contents goes on after the ", count, " elements of the shape");
    }
    images.emplace_back(raw.subspan(0, length));
    raw.remove_prefix(length);
  }
  if (static_cast<int>(images.size()) != count) {
    return WrongCount(images.size(), "elements", count);
  }
  return images;
}

absl::StatusOr<InferImages> ReadFiles(const InputTensor& input, const std::string* raw,
                                      const ServedModel& model) {
  RETURN_IF_ERROR(CheckDatatype(input, {"BYTES"}));
  const bool column = input.shape_size() == 2 && input.shape(1) == 1;
  if (input.shape_size() != 1 && !column) return WrongShape(input, "[N, 1] or [N]");
  ASSIGN_OR_RETURN(const int count, ReadCount(input, model));
  InferImages images;
  if (raw != nullptr) {
    ASSIGN_OR_RETURN(images.images, SplitRaw(AsBytes(*raw), count));
    return images;
  }
  const auto& files = input.contents().bytes_contents();
  if (files.size() != count) return WrongCount(files.size(), "elements", count);
  for (const std::string& file : files) images.images.emplace_back(AsBytes(file));
  return images;
}

// UINT8 values come as uint32.
absl::StatusOr<std::vector<uint8_t>> Narrow(const Contents& contents) {
  std::vector<uint8_t> bytes;
  bytes.reserve(contents.uint_contents_size());
  for (uint32_t value : contents.uint_contents()) {
    if (value > 255) return Invalid("input \"image\" is UINT8 and has the value ", value);
    bytes.push_back(static_cast<uint8_t>(value));
  }
  return bytes;
}

absl::StatusOr<InferImages> ReadPixels(const InputTensor& input, const std::string* raw,
                                       const ServedModel& model) {
  RETURN_IF_ERROR(CheckDatatype(input, {"UINT8"}));
  const auto& shape = input.shape();
  auto side = [&](int i) { return shape[i] >= 1 && shape[i] <= kLongestSide; };
  if (shape.size() != 4 || shape[3] != 3 || !side(1) || !side(2)) {
    return WrongShape(input, "[N, height, width, 3]");
  }
  ASSIGN_OR_RETURN(const int count, ReadCount(input, model));
  InferImages images;
  absl::Span<const uint8_t> values;
  if (raw != nullptr) {
    values = AsBytes(*raw);
  } else {
    ASSIGN_OR_RETURN(images.pixels, Narrow(input.contents()));
    values = images.pixels;
  }
  const size_t each = shape[1] * shape[2] * 3;
  if (values.size() != count * each) return WrongCount(values.size(), "bytes", count * each);
  for (int i = 0; i < count; ++i) {
    images.images.push_back(RawPixels{values.subspan(i * each, each), static_cast<int>(shape[2]),
                                      static_cast<int>(shape[1]), PixelFormat::kRgb});
  }
  return images;
}

TensorType TypeNamed(absl::string_view datatype) {
  if (datatype == "FP16") return TensorType::kFloat16;
  return datatype == "BF16" ? TensorType::kBFloat16 : TensorType::kFloat32;
}

absl::StatusOr<InferImages> ReadTensors(const InputTensor& input, const std::string* raw,
                                        const ServedModel& model) {
  RETURN_IF_ERROR(CheckDatatype(input, {"FP32", "FP16", "BF16"}));
  const Preprocessing& how = model.description.preprocessing;
  const auto& shape = input.shape();
  if (shape.size() != 4 || shape[1] != 3 || shape[2] != how.height || shape[3] != how.width) {
    return WrongShape(input, absl::StrCat("[N, 3, ", how.height, ", ", how.width, "]"));
  }
  ASSIGN_OR_RETURN(const int count, ReadCount(input, model));
  const TensorType type = TypeNamed(input.datatype());
  absl::Span<const uint8_t> values;
  if (raw != nullptr) {
    values = AsBytes(*raw);
  } else if (type == TensorType::kFloat32) {
    const auto& floats = input.contents().fp32_contents();
    values = {reinterpret_cast<const uint8_t*>(floats.data()), floats.size() * sizeof(float)};
  } else {
    return Invalid(input.datatype(), " has no typed contents: send raw_input_contents");
  }
  const size_t each = how.bytes() * SizeOf(type);
  if (values.size() != count * each) return WrongCount(values.size(), "bytes", count * each);
  InferImages images;
  for (int i = 0; i < count; ++i) {
    images.images.push_back(TensorImage{values.subspan(i * each, each), type});
  }
  return images;
}

}  // namespace

NamedInput ParseModelName(const ModelRegistry& registry, absl::string_view name) {
  if (registry.FullName(name) != nullptr) return {name, InputKind::kFile};
  absl::string_view model = name;
  if (absl::ConsumeSuffix(&model, ".pixels")) return {model, InputKind::kPixels};
  if (absl::ConsumeSuffix(&model, ".tensor")) return {model, InputKind::kTensor};
  return {name, InputKind::kFile};
}

absl::StatusOr<std::shared_ptr<const ServedModel>> FindNamed(const ModelRegistry& registry,
                                                             const NamedInput& named) {
  auto model = registry.Find(named.model);
  if (!absl::IsNotFound(model.status())) return model;
  return absl::NotFoundError(absl::StrCat("Request for unknown model: ", model.status().message()));
}

absl::Status CheckModelVersion(absl::string_view model, absl::string_view version) {
  if (version.empty() || version == kOnlyVersion) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("model ", model, " has no version ", Quote(version), ", only \"1\""));
}

int MaxImages(const ServedModel& model) {
  return std::max(1, static_cast<int>(model.max_queue * RoomFor(Criticality::kDefault) / 4));
}

absl::StatusOr<InferImages> ReadInput(const inference::ModelInferRequest& message,
                                      const ServedModel& model, InputKind kind) {
  if (message.inputs_size() != 1) {
    return Invalid("the request has ", message.inputs_size(), " inputs, model ", model.name,
                   " takes one, \"image\"");
  }
  const InputTensor& input = message.inputs(0);
  if (input.name() != kInputName) {
    return Invalid("model ", model.name, " has no input ", Quote(input.name()), ", but \"image\"");
  }
  if (input.parameters().contains("shared_memory_region")) {
    return absl::UnimplementedError("shared memory isn't implemented: send the input's contents");
  }
  ASSIGN_OR_RETURN(const std::string* raw, RawContents(message));
  switch (kind) {
    case InputKind::kFile:
      return ReadFiles(input, raw, model);
    case InputKind::kPixels:
      return ReadPixels(input, raw, model);
    case InputKind::kTensor:
      return ReadTensors(input, raw, model);
  }
  return absl::InternalError("no such kind of input");
}

}  // namespace patchserve
