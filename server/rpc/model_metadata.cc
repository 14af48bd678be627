#include "server/rpc/model_metadata.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/strings/str_join.h"
#include "server/rpc/infer_options.h"

namespace patchserve {
namespace {

constexpr char kPlatform[] = "patchserve";

struct InputLayout {
  const char* datatype;
  inference::DataType type;
  inference::ModelInput::Format format;
  std::vector<int64_t> dims;  // without the batch's
};

InputLayout LayoutOf(const Preprocessing& how, InputKind kind) {
  using Input = inference::ModelInput;
  switch (kind) {
    case InputKind::kFile:
      return {"BYTES", inference::TYPE_STRING, Input::FORMAT_NONE, {1}};
    case InputKind::kPixels:
      return {"UINT8", inference::TYPE_UINT8, Input::FORMAT_NHWC, {-1, -1, 3}};
    case InputKind::kTensor:
      break;
  }
  return {"FP32", inference::TYPE_FP32, Input::FORMAT_NCHW, {3, how.height, how.width}};
}

void WriteSum(const InferenceStatistics::Sum& from, inference::StatisticDuration& to) {
  to.set_count(from.count);
  to.set_ns(absl::ToInt64Nanoseconds(from.time));
}

const char* StateName(ModelState state) {
  switch (state) {
    case ModelState::kReady:
      return "READY";
    case ModelState::kLoading:
      return "LOADING";
    case ModelState::kUnloaded:
    case ModelState::kFailed:
      break;
  }
  return "UNAVAILABLE";
}

}  // namespace

inference::ModelMetadataResponse WriteMetadata(const ServedModel& model, const std::string& name,
                                               InputKind kind) {
  const InputLayout layout = LayoutOf(model.description.preprocessing, kind);
  inference::ModelMetadataResponse metadata;
  metadata.set_name(name);
  metadata.add_versions(std::string(kOnlyVersion));  // a literal of one letter confuses GCC 12
  metadata.set_platform(kPlatform);
  auto& input = *metadata.add_inputs();
  input.set_name(kInputName);
  input.set_datatype(layout.datatype);
  input.add_shape(-1);
  for (int64_t side : layout.dims) input.add_shape(side);
  auto& output = *metadata.add_outputs();
  const DefaultOutput by_default = DefaultOutputOf(model.description);
  output.set_name(NameOf(by_default.kind));
  output.set_datatype("FP32");
  output.add_shape(-1);
  output.add_shape(by_default.size);
  return metadata;
}

inference::ModelConfig WriteConfig(const ServedModel& model, const std::string& name,
                                   InputKind kind, int64_t max_message_bytes) {
  const InputLayout layout = LayoutOf(model.description.preprocessing, kind);
  inference::ModelConfig config;
  config.set_name(name);
  config.set_platform(kPlatform);
  config.set_backend(kPlatform);
  config.set_max_batch_size(MaxImages(model));
  if (kind == InputKind::kTensor) {
    const int64_t tensor_bytes = model.description.preprocessing.bytes() * sizeof(float);
    const int64_t fit = std::max<int64_t>(1, max_message_bytes / tensor_bytes);
    config.set_max_batch_size(static_cast<int>(std::min<int64_t>(MaxImages(model), fit)));
  }
  const Preprocessing& how = model.description.preprocessing;
  (*config.mutable_parameters())["mean"].set_string_value(absl::StrJoin(how.mean, ", "));
  (*config.mutable_parameters())["std"].set_string_value(absl::StrJoin(how.std, ", "));
  inference::ModelInput& input = *config.add_input();
  input.set_name(kInputName);
  input.set_data_type(layout.type);
  input.set_format(layout.format);
  for (int64_t side : layout.dims) input.add_dims(side);
  inference::ModelOutput& output = *config.add_output();
  const DefaultOutput by_default = DefaultOutputOf(model.description);
  output.set_name(NameOf(by_default.kind));
  output.set_data_type(inference::TYPE_FP32);
  output.add_dims(by_default.size);
  return config;
}

inference::ModelStatistics WriteStatistics(const InferenceStatistics::Snapshot& statistics,
                                           const std::string& name) {
  inference::ModelStatistics message;
  message.set_name(name);
  message.set_version(kOnlyVersion);
  message.set_last_inference(absl::ToUnixMillis(statistics.last_success));
  message.set_inference_count(statistics.images);
  message.set_execution_count(statistics.batches);
  inference::InferStatistics& requests = *message.mutable_inference_stats();
  WriteSum(statistics.success, *requests.mutable_success());
  WriteSum(statistics.fail, *requests.mutable_fail());
  WriteSum(statistics.queue, *requests.mutable_queue());
  WriteSum(statistics.input, *requests.mutable_compute_input());
  WriteSum(statistics.infer, *requests.mutable_compute_infer());
  WriteSum(statistics.output, *requests.mutable_compute_output());
  for (const auto& [size, sums] : statistics.batches_by_size) {
    inference::InferBatchStatistics& batches = *message.add_batch_stats();
    batches.set_batch_size(size);
    WriteSum(sums.input, *batches.mutable_compute_input());
    WriteSum(sums.infer, *batches.mutable_compute_infer());
    WriteSum(sums.output, *batches.mutable_compute_output());
  }
  return message;
}

inference::RepositoryIndexResponse::ModelIndex WriteIndex(const ModelEntry& entry) {
  inference::RepositoryIndexResponse::ModelIndex index;
  index.set_name(entry.name);
  index.set_version(kOnlyVersion);
  index.set_state(StateName(entry.state));
  index.set_reason(entry.state_message);
  return index;
}

}  // namespace patchserve
