// Checks our own kernels on the GPU against ATen in float32 and float64, and tells how long they
// take: a JSON object a line, with microseconds a launch.
//
//   kernel_check [--few] [KERNEL ...]     depthwise, gemm, norm, gather; all of them where none is
//   named
//
// --few: one shape of each, and no times: for compute-sanitizer. Ends with 1 where a result is
// wrong, with 2 where there is no GPU or no library.
#include "tests/gpu/kernel_check.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "server/model/cuda/library.h"
#include "server/model/engine.h"

int main(int argc, char** argv) {
  using namespace patchserve;
  using namespace patchserve::cuda;
  const c10::InferenceMode no_autograd;
  std::vector<std::string> named(argv + 1, argv + argc);
  const bool few = std::erase(named, "--few") > 0;
  const auto device = ResolveDevice("cuda:0");  // loads LibTorch's CUDA part
  if (!device.ok()) {
    std::fprintf(stderr, "%s\n", std::string(device.status().message()).c_str());
    return 2;
  }
  const auto kernels = LoadKernels();
  if (!kernels.ok()) {
    std::fprintf(stderr, "%s\n", std::string(kernels.status().message()).c_str());
    return 2;
  }

  const Checked checked = {.kernels = **kernels, .device = at::Device(at::kCUDA, 0), .few = few};
  const auto wanted = [&](const char* kernel) {
    return named.empty() || std::find(named.begin(), named.end(), kernel) != named.end();
  };
  int wrong = 0;
  if (wanted("depthwise")) wrong += CheckDepthwise(checked);
  if (wanted("gemm")) wrong += CheckGemms(checked);
  if (wanted("norm")) wrong += CheckRowNorms(checked);
  if (wanted("gather")) wrong += CheckGather(checked);
  if (!few && wanted("depthwise")) TimeDepthwise(checked);
  if (!few && wanted("gemm")) TimeGemms(checked);
  if (!few && wanted("norm")) TimeRowNorms(checked);
  return wrong > 0;
}
