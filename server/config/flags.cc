#include "server/config/flags.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "server/config/environment.h"
#include "version.h"

ABSL_FLAG(std::string, address, "127.0.0.1:8001", "Where gRPC is served.");
ABSL_FLAG(std::string, metrics_address, "127.0.0.1:8002",
          "Where Prometheus finds /metrics. Empty: nowhere.");
ABSL_FLAG(std::vector<std::string>, models, {},
          "A checkpoint folder as timm publishes it (config.json, model.safetensors), a folder of "
          "such folders, a model of a hub (hf://ORG/NAME[@REVISION]), or NAME=FOLDER. May be given "
          "several times.");
ABSL_FLAG(std::string, config, "",
          "A text-format patchserve.config.v1.ServerConfig: options of single models.");
ABSL_FLAG(std::string, default_model, "",
          "The model for requests that name none. Default: the first by name.");
ABSL_FLAG(std::string, device, "auto", "auto (a GPU if there is one), cpu, or cuda:N.");
ABSL_FLAG(
    std::string, precision, "auto",
    "auto, float32, bfloat16 or float16. auto: bfloat16 on GPUs that have it and on CPUs where it "
    "is measured at start to be 1.3 times as fast, else float32: name one where answers must not "
    "depend on the machine.");
ABSL_FLAG(bool, deterministic, false,
          "Answers are the same to the last bit whatever other images they are batched with: the "
          "images of a batch run one by one.");
ABSL_FLAG(bool, cuda_graphs, false,
          "Experimental: on a GPU, record networks as CUDA graphs, one a batch size, in place of "
          "launching each "
          "operator.");
ABSL_FLAG(int64_t, gpu_memory, 0,
          "Bytes of the GPU's memory for weights, batches and graphs: what doesn't fit runs in "
          "smaller batches. 0: 90 % of what is free at the start.");
ABSL_FLAG(
    bool, fused_kernels, false,
    "Experimental: on NVIDIA GPUs, networks in bfloat16 and float16 run by our own kernels: linear "
    "layers where those are measured to be faster, depthwise convolutions and norms wherever the "
    "kernels fit. false: by LibTorch's alone.");
ABSL_FLAG(int, runners, 0,
          "Batches that run at once on the device. 0: one a core on a CPU, 2 on a GPU.");
ABSL_FLAG(int, decode_threads, 0, "Threads that decode images. 0: one a core.");
ABSL_FLAG(int, max_batch, 0,
          "The most images that run together. 0: 8 on a CPU; on a GPU as many as lower the time an "
          "image, "
          "up to 256.");
ABSL_FLAG(int, max_queue, 1024, "The most requests of a model that wait; more are refused.");
ABSL_FLAG(int64_t, memory_limit, 0,
          "Bytes that the process may take in all, from which the next two and --max_grpc_memory "
          "follow. 0: its cgroup's limit, or the machine's memory.");
ABSL_FLAG(
    int64_t, max_bytes_in_flight, 0,
    "Bytes of the images that wait for their answers; more are refused. 0: by --memory_limit.");
ABSL_FLAG(int64_t, max_decoding_bytes, 0,
          "Bytes that decoding takes of the images that wait for it; more are refused. 0: by "
          "--memory_limit.");
ABSL_FLAG(absl::Duration, max_batch_delay, absl::InfiniteDuration(),
          "The longest that a request waits for others to join its batch, while a runner is free. "
          "inf: as long as more are answered in time so.");
ABSL_FLAG(int, stream_window, 16, "The most unanswered requests of one ClassifyStream.");
ABSL_FLAG(int64_t, max_image_bytes, 20'000'000, "The longest image, in bytes as sent.");
ABSL_FLAG(int64_t, max_image_pixels, 52'000'000, "The largest image, in pixels.");
ABSL_FLAG(absl::Duration, default_deadline, absl::Seconds(10),
          "Deadline of requests that come without one.");
ABSL_FLAG(absl::Duration, lame_duck, absl::Seconds(5),
          "On SIGTERM: how long to go on serving after health has turned to NOT_SERVING.");
ABSL_FLAG(absl::Duration, drain_timeout, absl::Seconds(30),
          "On SIGTERM, after --lame_duck: how long accepted requests may take to finish.");
ABSL_FLAG(absl::Duration, refuse_for, absl::Seconds(1),
          "After that: how long calls that still come are answered UNAVAILABLE, before the "
          "connections end.");
ABSL_FLAG(
    bool, skip_broken_models, false,
    "Serve the models that load, instead of ending when one doesn't; readiness doesn't ask for "
    "the others.");
ABSL_FLAG(bool, repository_control, false,
          "Whether clients may load, replace and unload the models of --models and --config.");
ABSL_FLAG(bool, hub_on_demand, false,
          "With --repository_control: whether loading a model of a hub asks the hub for its newest "
          "commit, and fetches that; false: the cache's.");
ABSL_FLAG(bool, reflection, true,
          "Whether clients may ask which services and methods there are (gRPC's reflection).");
ABSL_FLAG(bool, triton_metrics, false,
          "Also show the nv_* metrics that dashboards for Triton use.");
ABSL_FLAG(
    std::string, server_name, "patchserve",
    "The name in the Open Inference Protocol's ServerMetadata: some clients want \"triton\".");
ABSL_FLAG(std::string, log_level, "info", "debug, info, warn or error.");
ABSL_FLAG(std::string, log_format, "text", "text or json: a line, or an object, an event.");
ABSL_FLAG(double, access_log, 0,
          "The share of the requests, 0 to 1, that get a line in the log: status, timings, the "
          "caller's traceparent.");

namespace patchserve {
namespace {

bool IsOurFile(absl::string_view file) { return absl::StrContains(file, "server/config/"); }

}  // namespace

bool IsOurs(const absl::CommandLineFlag& flag) { return IsOurFile(flag.Filename()); }

std::vector<std::string> JoinRepeated(const std::vector<std::string>& arguments,
                                      const std::string& flag) {
  std::vector<std::string> rest, values;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view argument = arguments[i];
    const bool dashed = absl::ConsumePrefix(&argument, "-");
    absl::ConsumePrefix(&argument, "-");  // one will do, as for every flag
    if (dashed && absl::ConsumePrefix(&argument, absl::StrCat(flag, "="))) {
      values.emplace_back(argument);
    } else if (dashed && argument == flag && i + 1 < arguments.size()) {
      values.push_back(arguments[++i]);
    } else {
      rest.push_back(arguments[i]);
    }
  }
  if (!values.empty()) rest.push_back(absl::StrCat("--", flag, "=", absl::StrJoin(values, ",")));
  return rest;
}

void ParseFlags(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "serves ConvMixer and ViT image classifiers over gRPC.\n\n  patchserve --models=FOLDER "
      "[--models=NAME=FOLDER ...] [flags]\n\nEach flag can also be set by a variable: "
      "PATCHSERVE_MAX_BATCH=16 is --max_batch=16, which wins if both are given.");
  absl::FlagsUsageConfig usage;
  usage.version_string = [] { return std::string("patchserve " PATCHSERVE_VERSION "\n"); };
  // --help shows our own flags only.
  usage.contains_helpshort_flags = usage.contains_help_flags = IsOurFile;
  absl::SetFlagsUsageConfig(usage);

  // Its error comes after --help and --version, which end the process.
  const absl::Status from_environment = SetFlagsFromEnvironment(environ);
  std::vector<std::string> arguments = JoinRepeated({argv, argv + argc}, "models");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  std::vector<char*> rest =
      absl::ParseCommandLine(static_cast<int>(pointers.size()), pointers.data());
  if (!from_environment.ok()) {
    std::fprintf(stderr, "patchserve: %s\n", std::string(from_environment.message()).c_str());
    std::exit(1);
  }
  if (rest.size() > 1) {
    std::fprintf(stderr,
                 "patchserve: unexpected argument \"%s\"; folders are given as --models=FOLDER\n",
                 rest[1]);
    std::exit(2);
  }
}

}  // namespace patchserve
