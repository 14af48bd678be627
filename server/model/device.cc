#include "server/model/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/full.h>
#include <c10/core/InferenceMode.h>
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/status.h"
#include "server/model/cuda/library.h"
#include "server/model/engine.h"
#include "server/model/exceptions.h"
#include "server/model/graph_device.h"
#include "server/model/linear.h"
#include "server/model/torch_warnings.h"

namespace patchserve {
namespace {

// Below, bfloat16's loss of digits buys too little: the layers between the products are hardly
// faster in it.
constexpr double kWorthwhileSpeedup = 1.3;

// 0 where LibTorch's CUDA part, the driver or the device is missing. LibTorch looks
// for its CUDA part once, at the first question, so the part must be loaded before.
int CudaDevices() {
  static void* const loaded = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL);
  if (loaded == nullptr || !at::globalContext().hasCUDA()) return 0;
  // float32 shall mean float32: cuDNN may else compute convolutions in TF32.
  at::globalContext().setAllowTF32CuDNN(false);
  return at::detail::getCUDAHooks().getNumGPUs();
}

double SecondsOfProduct(at::ScalarType type) {
  const c10::InferenceMode no_autograd;
  const Linear linear(type, at::full({384, 384}, 0.01f), at::Tensor());
  const at::Tensor x = at::full({196, 384}, 0.01f, type);
  linear(x);  // the first one makes the code for it
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    linear(x);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    least = std::min(least, took.count());
  }
  return least;
}

bool HasFastBFloat16(const at::Device& device) {
  if (device.is_cpu()) return CpuBFloat16Speedup() >= kWorthwhileSpeedup;
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

absl::StatusOr<std::shared_ptr<GraphDevice>> OpenGraphDevice(const std::string& device,
                                                             int64_t memory) {
  ASSIGN_OR_RETURN(const cuda::Kernels* kernels, cuda::LoadKernels());
  try {
    return kernels->open_graph_device(at::Device(device).index(), memory);
  } catch (...) {
    return StatusOf(std::current_exception());
  }
}

double CpuBFloat16Speedup() {
  static const double speedup = SecondsOfProduct(at::kFloat) / SecondsOfProduct(at::kBFloat16);
  return speedup;
}

void PrepareRunnerThread(int intra_op_threads) {
  UseIntraOpThreads(intra_op_threads);
  SendTorchWarningsOfThisThread();
}

void UseIntraOpThreads(int threads) { at::set_num_threads(threads); }

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
