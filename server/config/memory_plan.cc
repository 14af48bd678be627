#include "server/config/memory_plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace patchserve {
namespace {

constexpr int64_t kMiB = 1 << 20;
// A picture as a model's input, beside its file.
constexpr int64_t kModelInput = 4 * kMiB;
constexpr int64_t kDecodedPixel = 3;

std::string MiB(int64_t bytes) {
  return absl::StrFormat("%.0f", static_cast<double>(bytes) / kMiB);
}

}  // namespace

int64_t GrpcMemory(int64_t limit) { return std::clamp(limit / 8, 64 * kMiB, 512 * kMiB); }

absl::StatusOr<MemoryPlan> PlanMemory(const Config& config, int64_t process) {
  MemoryPlan plan{.limit = config.memory_limit,
                  .process = process,
                  .grpc = config.transport.max_grpc_memory,
                  .spare = std::max(128 * kMiB, config.memory_limit / 8)};
  const int64_t left = plan.limit - plan.process - plan.grpc - plan.spare;
  const int64_t least_images = config.max_image_bytes + kModelInput;
  const int64_t least_decoding = kDecodedPixel * config.max_image_pixels;
  plan.images = config.max_bytes_in_flight;
  plan.decoding = config.max_decoding_bytes;
  if (plan.images == 0) {
    const int64_t quarter = std::min(left / 4, left - std::max(plan.decoding, least_decoding));
    plan.images = std::clamp(quarter, least_images, std::max(512 * kMiB, least_images));
  }
  if (plan.decoding == 0) plan.decoding = std::max(left - plan.images, least_decoding);
  if (plan.images + plan.decoding <= left) return plan;
  return absl::FailedPreconditionError(absl::StrCat(
      "--memory_limit is ", MiB(plan.limit), " MiB, less than the sum of ", MiB(plan.process),
      " MiB for the process and its models, ", MiB(plan.grpc), " for gRPC (--max_grpc_memory), ",
      MiB(plan.images),
      " for images in flight (--max_bytes_in_flight; at least --max_image_bytes), ",
      MiB(plan.decoding),
      " for decoding (--max_decoding_bytes; at least 3 bytes for each of --max_image_pixels), and ",
      MiB(plan.spare), " to spare"));
}

}  // namespace patchserve
