#include "server/config/config.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"
#include "patchserve/config/v1/server_config.pb.h"
#include "server/base/memory.h"
#include "server/base/proto_duration.h"
#include "server/base/read_file.h"
#include "server/base/status.h"
#include "server/config/checks.h"
#include "server/config/flags.h"
#include "server/config/memory_plan.h"
#include "server/config/model_folders.h"
#include "server/hub/model_id.h"

namespace patchserve {
namespace {

using config::v1::ModelOptions;
using config::v1::ServerConfig;

class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (text.empty()) text = absl::StrCat(line + 1, ":", column + 1, ": ", message);
  }
  std::string text;
};

absl::StatusOr<ServerConfig> ReadConfigFile(const std::string& path) {
  ServerConfig config;
  if (path.empty()) return config;
  const auto text = ReadWholeFile(path);
  if (!text.ok()) {
    return absl::Status(text.status().code(), absl::StrCat("--config: ", text.status().message()));
  }
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (!parser.ParseFromString(*text, &config)) {
    return absl::InvalidArgumentError(absl::StrCat("--config: ", path, ":", error.text));
  }
  return config;
}

ModelSettings Defaults(const ModelFolder& model) {
  return {.name = model.name,
          .folder = model.folder,
          .precision = absl::GetFlag(FLAGS_precision),
          .max_batch = absl::GetFlag(FLAGS_max_batch),
          .max_queue = absl::GetFlag(FLAGS_max_queue),
          .default_deadline = absl::GetFlag(FLAGS_default_deadline),
          .deterministic = absl::GetFlag(FLAGS_deterministic),
          .fused_kernels = absl::GetFlag(FLAGS_fused_kernels)};
}

void Override(const ModelOptions& options, ModelSettings& model) {
  if (!options.folder().empty()) model.folder = options.folder();
  if (!options.precision().empty()) model.precision = options.precision();
  if (options.has_max_batch()) model.max_batch = options.max_batch();
  if (options.has_max_queue()) model.max_queue = options.max_queue();
  if (options.has_default_deadline()) model.default_deadline = ToAbsl(options.default_deadline());
  if (options.has_deterministic()) model.deterministic = options.deterministic();
  model.fast_decode = options.decode() == config::v1::FAST;
  if (options.has_apply_orientation()) model.apply_orientation = options.apply_orientation();
}

absl::Status CheckModel(const ModelSettings& model) {
  auto wrong = [&model](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("model ", model.name, ": ", what));
  };
  RETURN_IF_ERROR(CheckModelName(model.name));
  if (IsHubModel(model.folder)) {
    if (const auto id = ParseHubModelId(model.folder); !id.ok())
      return wrong(id.status().message());
  }
  constexpr const char* kPrecisions[] = {"auto", "float32", "bfloat16", "float16"};
  if (std::find(std::begin(kPrecisions), std::end(kPrecisions), model.precision) ==
      std::end(kPrecisions)) {
    return wrong(absl::StrCat("precision is \"", model.precision,
                              "\", not auto, float32, bfloat16 or float16"));
  }
  if (model.max_batch < 0 || model.max_batch > 1024) {
    return wrong(absl::StrCat("max_batch is ", model.max_batch, ", not 1 to 1024, or 0"));
  }
  if (model.max_queue < 1 || model.max_queue > 100'000) {
    return wrong(absl::StrCat("max_queue is ", model.max_queue, ", not 1 to 100000"));
  }
  if (model.default_deadline <= absl::ZeroDuration()) {
    return wrong(absl::StrCat("default deadline is ", absl::FormatDuration(model.default_deadline),
                              ", not positive"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ModelSettings>> CollectModels(const ServerConfig& file) {
  std::map<std::string, ModelSettings> models;
  for (const std::string& argument : RejoinFolders(absl::GetFlag(FLAGS_models))) {
    ASSIGN_OR_RETURN(std::vector<ModelFolder> folders, FindModelFolders(argument));
    for (const ModelFolder& folder : folders) {
      if (!models.emplace(folder.name, Defaults(folder)).second) {
        return absl::InvalidArgumentError(absl::StrCat("--models: two models are named ",
                                                       folder.name, "; name one with NAME=FOLDER"));
      }
    }
  }
  std::set<std::string> seen;
  for (const ModelOptions& options : file.models()) {
    if (!seen.insert(options.name()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("--config: model ", options.name(), " is there twice"));
    }
    if (!models.contains(options.name()) && options.folder().empty()) {
      return absl::NotFoundError(absl::StrCat("--config: model ", options.name(),
                                              " has no folder, and --models doesn't find it"));
    }
    auto [it, added] = models.emplace(options.name(), Defaults({options.name(), ""}));
    Override(options, it->second);
  }
  if (models.empty()) {
    return absl::InvalidArgumentError("no models: give --models=FOLDER, or --config");
  }
  std::vector<ModelSettings> sorted;
  for (auto& [name, model] : models) {
    RETURN_IF_ERROR(CheckModel(model));
    sorted.push_back(std::move(model));
  }
  return sorted;
}

absl::StatusOr<std::string> ChooseDefault(const ServerConfig& file,
                                          const std::vector<ModelSettings>& models) {
  std::string name = absl::GetFlag(FLAGS_default_model);
  if (name.empty()) name = file.default_model();
  if (name.empty()) return models.front().name;
  for (const ModelSettings& model : models) {
    if (model.name == name) return name;
  }
  return absl::NotFoundError(absl::StrCat("the default model ", name, " is not among the models"));
}

constexpr int kMaxThreads = 1024;

absl::Status CheckThreads(const char* flag, int threads) {
  if (threads >= 0 && threads <= kMaxThreads) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, " is ", threads, ", not 0 to ", kMaxThreads));
}

absl::Status CheckLogLevel(const std::string& level) {
  for (const char* known : {"debug", "info", "warn", "error"}) {
    if (level == known) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--log_level is \"", level, "\", not debug, info, warn or error"));
}

absl::Status CheckLog(const Config& config) {
  RETURN_IF_ERROR(CheckLogLevel(config.log_level));
  if (config.log_format != "text" && config.log_format != "json") {
    return absl::InvalidArgumentError(
        absl::StrCat("--log_format is \"", config.log_format, "\", not text or json"));
  }
  if (!(config.access_log >= 0 && config.access_log <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--access_log is ", config.access_log, ", not 0 to 1"));
  }
  return absl::OkStatus();
}

// A PNG's pixels, of 8 bytes at most, are unpacked for OpenCV into a file whose length it counts in
// an int.
constexpr int64_t kMostImagePixels = 250'000'000;

absl::Status CheckServer(const Config& config) {
  RETURN_IF_ERROR(CheckAddress("address", config.address));
  if (!config.metrics_address.empty()) {
    RETURN_IF_ERROR(CheckAddress("metrics_address", config.metrics_address));
  }
  RETURN_IF_ERROR(CheckThreads("runners", config.runners));
  RETURN_IF_ERROR(CheckThreads("decode_threads", config.decode_threads));
  RETURN_IF_ERROR(CheckAtLeast<int64_t>("gpu_memory", config.gpu_memory, 0));
  RETURN_IF_ERROR(CheckAtLeast("stream_window", config.stream_window, 1));
  RETURN_IF_ERROR(CheckAtLeast<int64_t>("max_image_bytes", config.max_image_bytes, 1));
  RETURN_IF_ERROR(CheckAtLeast<int64_t>("max_image_pixels", config.max_image_pixels, 1));
  if (config.max_image_bytes > 500'000'000) {
    return absl::InvalidArgumentError("--max_image_bytes is above 500000000");
  }
  if (config.max_image_pixels > kMostImagePixels) {
    return absl::InvalidArgumentError(
        absl::StrCat("--max_image_pixels is above ", kMostImagePixels));
  }
  if (config.max_bytes_in_flight != 0) {
    RETURN_IF_ERROR(
        CheckAtLeast("max_bytes_in_flight", config.max_bytes_in_flight, config.max_image_bytes));
  }
  if (config.max_decoding_bytes != 0) {
    RETURN_IF_ERROR(
        CheckAtLeast("max_decoding_bytes", config.max_decoding_bytes, 3 * config.max_image_pixels));
  }
  RETURN_IF_ERROR(PlanMemory(config, /*process=*/0).status());
  if (config.max_batch_delay < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--max_batch_delay can't be negative");
  }
  for (const absl::Duration part : {config.lame_duck, config.drain_timeout, config.refuse_for}) {
    if (part >= absl::ZeroDuration()) continue;
    return absl::InvalidArgumentError(
        "--lame_duck, --drain_timeout and --refuse_for can't be negative");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Config> ReadConfig() {
  ASSIGN_OR_RETURN(ServerConfig file, ReadConfigFile(absl::GetFlag(FLAGS_config)));
  Config config;
  config.address = absl::GetFlag(FLAGS_address);
  ASSIGN_OR_RETURN(config.transport, ReadTransport());
  config.metrics_address = absl::GetFlag(FLAGS_metrics_address);
  ASSIGN_OR_RETURN(config.models, CollectModels(file));
  ASSIGN_OR_RETURN(config.default_model, ChooseDefault(file, config.models));
  config.device = absl::GetFlag(FLAGS_device);
  config.cuda_graphs = absl::GetFlag(FLAGS_cuda_graphs);
  config.gpu_memory = absl::GetFlag(FLAGS_gpu_memory);
  config.runners = absl::GetFlag(FLAGS_runners);
  config.decode_threads = absl::GetFlag(FLAGS_decode_threads);
  config.log_level = absl::GetFlag(FLAGS_log_level);
  config.log_format = absl::GetFlag(FLAGS_log_format);
  config.access_log = absl::GetFlag(FLAGS_access_log);
  config.stream_window = absl::GetFlag(FLAGS_stream_window);
  config.max_image_bytes = absl::GetFlag(FLAGS_max_image_bytes);
  config.max_image_pixels = absl::GetFlag(FLAGS_max_image_pixels);
  config.max_bytes_in_flight = absl::GetFlag(FLAGS_max_bytes_in_flight);
  config.max_decoding_bytes = absl::GetFlag(FLAGS_max_decoding_bytes);
  config.memory_limit = absl::GetFlag(FLAGS_memory_limit);
  if (config.memory_limit == 0) config.memory_limit = MemoryLimit();
  if (config.transport.max_grpc_memory == 0) {
    config.transport.max_grpc_memory = GrpcMemory(config.memory_limit);
  }
  config.max_batch_delay = absl::GetFlag(FLAGS_max_batch_delay);
  config.lame_duck = absl::GetFlag(FLAGS_lame_duck);
  config.drain_timeout = absl::GetFlag(FLAGS_drain_timeout);
  config.refuse_for = absl::GetFlag(FLAGS_refuse_for);
  config.repository_control = absl::GetFlag(FLAGS_repository_control);
  config.hub_on_demand = absl::GetFlag(FLAGS_hub_on_demand);
  config.reflection = absl::GetFlag(FLAGS_reflection);
  config.triton_metrics = absl::GetFlag(FLAGS_triton_metrics);
  config.server_name = absl::GetFlag(FLAGS_server_name);
  config.skip_broken_models = absl::GetFlag(FLAGS_skip_broken_models);
  RETURN_IF_ERROR(CheckServer(config));
  RETURN_IF_ERROR(CheckLog(config));
  return config;
}

}  // namespace patchserve
