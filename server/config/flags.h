// The server's command line.
#pragma once

#include <string>
#include <vector>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/declare.h"
#include "absl/time/time.h"

ABSL_DECLARE_FLAG(std::string, address);
ABSL_DECLARE_FLAG(std::string, metrics_address);
ABSL_DECLARE_FLAG(std::vector<std::string>, models);
ABSL_DECLARE_FLAG(std::string, config);
ABSL_DECLARE_FLAG(std::string, default_model);
ABSL_DECLARE_FLAG(std::string, device);
ABSL_DECLARE_FLAG(std::string, precision);
ABSL_DECLARE_FLAG(bool, deterministic);
ABSL_DECLARE_FLAG(bool, cuda_graphs);
ABSL_DECLARE_FLAG(int64_t, gpu_memory);
ABSL_DECLARE_FLAG(bool, fused_kernels);
ABSL_DECLARE_FLAG(int, runners);
ABSL_DECLARE_FLAG(int, decode_threads);
ABSL_DECLARE_FLAG(int, max_batch);
ABSL_DECLARE_FLAG(int, max_queue);
ABSL_DECLARE_FLAG(int64_t, memory_limit);
ABSL_DECLARE_FLAG(int64_t, max_bytes_in_flight);
ABSL_DECLARE_FLAG(int64_t, max_decoding_bytes);
ABSL_DECLARE_FLAG(absl::Duration, max_batch_delay);
ABSL_DECLARE_FLAG(int, stream_window);
ABSL_DECLARE_FLAG(int64_t, max_image_bytes);
ABSL_DECLARE_FLAG(int64_t, max_image_pixels);
ABSL_DECLARE_FLAG(absl::Duration, default_deadline);
ABSL_DECLARE_FLAG(absl::Duration, lame_duck);
ABSL_DECLARE_FLAG(absl::Duration, drain_timeout);
ABSL_DECLARE_FLAG(absl::Duration, refuse_for);
ABSL_DECLARE_FLAG(bool, skip_broken_models);
ABSL_DECLARE_FLAG(bool, repository_control);
ABSL_DECLARE_FLAG(bool, hub_on_demand);
ABSL_DECLARE_FLAG(bool, reflection);
ABSL_DECLARE_FLAG(bool, triton_metrics);
ABSL_DECLARE_FLAG(std::string, server_name);
ABSL_DECLARE_FLAG(std::string, log_level);
ABSL_DECLARE_FLAG(std::string, log_format);
ABSL_DECLARE_FLAG(double, access_log);

namespace patchserve {

// Joins the values of a flag that is given several times ("--models=a --models=b")
// to one ("--models=a,b"): Abseil's lists would keep the last one only.
std::vector<std::string> JoinRepeated(const std::vector<std::string>& arguments,
                                      const std::string& flag);

// Whether a flag is the server's, as --help shows them, and not one of Abseil's own.
bool IsOurs(const absl::CommandLineFlag& flag);

// Sets the flags from the environment (config/environment.h) and, over that, from the command line.
// Ends the process with a message for an unknown flag, a bad value, or an argument that is no flag,
// and for --help and --version.
void ParseFlags(int argc, char** argv);

}  // namespace patchserve
