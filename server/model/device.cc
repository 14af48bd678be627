#include "server/model/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/status.h"
#include "server/model/torch_warnings.h"

namespace patchserve {
namespace {

// 0 where LibTorch's CUDA part, the driver or the device is missing. LibTorch looks
// for its CUDA part once, at the first question, so the part must be loaded before.
int CudaDevices() {
  static void* const loaded = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL);
  if (loaded == nullptr || !at::globalContext().hasCUDA()) return 0;
  // float32 shall mean float32: cuDNN may else compute convolutions in TF32.
  at::globalContext().setAllowTF32CuDNN(false);
  return at::detail::getCUDAHooks().getNumGPUs();
}

bool CpuHasAmxBFloat16() {
  static const bool has = [] {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
      if (absl::StartsWith(line, "flags")) return absl::StrContains(line, " amx_bf16");
    }
    return false;
  }();
  return has;
}

bool HasFastBFloat16(const at::Device& device) {
  if (device.is_cpu()) return CpuHasAmxBFloat16();
  return at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
}

}  // namespace

absl::StatusOr<std::string> ResolveDevice(const std::string& device) {
  if (device == "cpu") return device;
  if (device == "auto") return CudaDevices() > 0 ? "cuda:0" : "cpu";

  absl::string_view number = device == "cuda" ? "cuda:0" : device;
  int index;
  if (!absl::ConsumePrefix(&number, "cuda:") || !absl::SimpleAtoi(number, &index) || index < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("device is \"", device, "\", expected auto, cpu, cuda or cuda:N"));
  }
  const int devices = CudaDevices();
  if (index >= devices) {
    return absl::FailedPreconditionError(
        absl::StrCat("device is ", device, ", there are ", devices, " CUDA devices"));
  }
  return absl::StrCat("cuda:", index);
}

void PrepareRunnerThread(int intra_op_threads) {
  at::set_num_threads(intra_op_threads);
  SendTorchWarningsOfThisThread();
}

absl::StatusOr<at::ScalarType> ResolvePrecision(Precision precision, const at::Device& device) {
  switch (precision) {
    case Precision::kFloat32:
      return at::kFloat;
    case Precision::kBFloat16:
      return at::kBFloat16;
    case Precision::kFloat16:
      if (device.is_cpu()) {
        return absl::InvalidArgumentError(
            "precision is float16, which has no use on a CPU: expected float32 or bfloat16");
      }
      return at::kHalf;
    case Precision::kAuto:
      break;
  }
  return HasFastBFloat16(device) ? at::kBFloat16 : at::kFloat;
}

std::string NameOf(at::ScalarType type) {
  if (type == at::kBFloat16) return "bfloat16";
  if (type == at::kHalf) return "float16";
  return "float32";
}

}  // namespace patchserve
