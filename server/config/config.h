// Everything the server is told, checked, in one place.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/config/transport.h"

namespace patchserve {

struct ModelSettings {
  std::string name;                 // [A-Za-z0-9._-]+
  std::string folder;               // a checkpoint's, or hf://ORG/NAME[@REVISION]
  std::string commit;               // of a model of a hub, once it is fetched
  std::string precision;            // "auto", "float32", "bfloat16" or "float16"
  int max_batch = 0;                // >= 1; 0: as the device likes it
  int max_queue = 0;                // >= 1: requests that wait, those being decoded included
  absl::Duration default_deadline;  // > 0
  bool apply_orientation = true;
  bool fast_decode = false;    // large JPEGs at a fraction of their size
  bool deterministic = false;  // answers don't depend on what they are batched with
  bool fused_kernels = false;  // on GPUs, our own where they fit (linear layers: are faster)
};

struct Config {
  std::string address;                // of gRPC, "host:port"
  Transport transport;                // of gRPC: security and limits
  std::string metrics_address;        // of /metrics; empty: none
  std::vector<ModelSettings> models;  // by name; at least one
  std::string default_model;          // the name of one of them
  std::string device;                 // "auto", "cpu", "cuda" or "cuda:N"
  bool cuda_graphs = false;           // on a GPU
  int64_t gpu_memory = 0;             // bytes that LibTorch may take; 0: 90 % of what is free
  int runners = 0;                    // 0: one a core on a CPU, 2 on a GPU
  int decode_threads = 0;             // 0: one a core
  int stream_window = 0;              // >= 1: unanswered requests of one stream
  int64_t max_image_bytes = 0;        // >= 1
  int64_t max_image_pixels = 0;       // 1 to 250 million
  int64_t memory_limit = 0;           // bytes: the flag's, or what the machine allows
  int64_t max_bytes_in_flight = 0;    // >= max_image_bytes; 0: memory_plan.h says
  int64_t max_decoding_bytes = 0;     // >= 3 * max_image_pixels; 0: memory_plan.h says
  absl::Duration max_batch_delay;     // >= 0
  absl::Duration lame_duck;           // >= 0
  absl::Duration drain_timeout;       // >= 0
  absl::Duration refuse_for;          // >= 0
  bool skip_broken_models = false;
  bool repository_control = false;  // clients may load, replace and unload models
  bool hub_on_demand = false;       // what they load may be fetched from a hub
  bool triton_metrics = false;      // nv_* too
  std::string server_name;          // in the Open Inference Protocol
  bool reflection = true;           // of gRPC's services
  std::string log_level;            // "debug", "info", "warn" or "error"
  std::string log_format;           // "text" or "json"
  double access_log = 0;            // 0 to 1: the share of the requests that the access log shows
};

// From the flags (see flags.cc), and the --config file where one is given; flags
// must have been parsed.
// Errors: INVALID_ARGUMENT: a value that isn't allowed, naming the flag or field.
// NOT_FOUND: a folder or file that doesn't exist.
absl::StatusOr<Config> ReadConfig();

}  // namespace patchserve
