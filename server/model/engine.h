// A checkpoint folder loaded onto a device, ready to run batches.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/model/model.h"
#include "server/model/precision.h"

namespace patchserve {

class FusedKernels;  // fused_kernels.h
class GraphDevice;   // graph_device.h

struct EngineOptions {
  std::string device = "auto";  // "auto", "cpu", "cuda" or "cuda:N"
  Precision precision = Precision::kAuto;
  // Runs the images of a batch one by one, so that an answer is the same to the last bit
  // whatever else is in its batch: kernels sum in another order for another batch size.
  bool deterministic = false;
  // Records the network, a graph a bucket, at its first batch of that bucket; must outlive the
  // engine. Null: the network runs operator by operator.
  GraphDevice* graphs = nullptr;
  int max_batch = 1;  // with graphs: the largest bucket
  // For what runs in bfloat16 or float16; must outlive the engine. Null: none.
  const FusedKernels* kernels = nullptr;
  // With kernels: gives a photo of how.bytes() RGB bytes, to check the network with.
  std::function<absl::StatusOr<std::shared_ptr<const uint8_t>>(const Preprocessing& how)> photo;
};

// "cpu" or "cuda:N": what "auto" stands for here, and a check of the others.
// Errors: INVALID_ARGUMENT: not a device's name. FAILED_PRECONDITION: no such device.
absl::StatusOr<std::string> ResolveDevice(const std::string& device);

// What our own library adds to LibTorch on the device of that name: graphs, and memory that
// decoding and the device share. LibTorch may take `memory` bytes of it; 0: 90 % of what is free
// now. To be called once for a device, after ResolveDevice. Errors: as of cuda::LoadKernels; what
// LibTorch reports.
absl::StatusOr<std::shared_ptr<GraphDevice>> OpenGraphDevice(const std::string& device,
                                                             int64_t memory);
// Our own kernels for NVIDIA GPUs, which live as long as the process. To be called after
// ResolveDevice. Errors: as of cuda::LoadKernels (cuda/library.h).
absl::StatusOr<const FusedKernels*> FindFusedKernels();

// To be called once in each thread that runs batches, before its first: sets the
// thread's intra-op thread count and where its warnings go.
void PrepareRunnerThread(int intra_op_threads);
// What this thread runs from now on may use so many; libgomp's count is per thread.
void UseIntraOpThreads(int threads);

// How many times as fast as a float32 matrix product one in bfloat16 is here: below 1 where the
// CPU has no instructions for it. Measured by the first call, in 2 to 100 ms, on its thread.
double CpuBFloat16Speedup();

class Engine {
 public:
  // Reads and checks the folder, copies the weights to the device.
  // A network that doesn't give by options.kernels what it gives in LibTorch's steps
  // (fused_check.h) is served in those, and a warning of LibTorch's says so.
  // kAuto is bfloat16 on GPUs that have it and on CPUs where it is measured to be at least
  // 1.3 times as fast (CpuBFloat16Speedup), else float32.
  // Errors, each naming the file and the field or tensor: NOT_FOUND: a file is
  // missing. INVALID_ARGUMENT: damaged, or an option, tensor or precision that
  // isn't supported. PERMISSION_DENIED: not readable.
  static absl::StatusOr<std::unique_ptr<Engine>> Load(const std::filesystem::path& folder,
                                                      const EngineOptions& options);
  virtual ~Engine() = default;

  virtual const ModelDescription& description() const = 0;

  // As ForwardFunction says. With graphs the images lie in their HostMemory. Thread-safe; needs
  // PrepareRunnerThread.
  virtual absl::StatusOr<BatchOutput> Forward(absl::Span<const ModelInput> images, int bucket,
                                              bool embeddings) const = 0;
};

}  // namespace patchserve
