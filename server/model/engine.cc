#include "server/model/engine.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/model/config.h"
#include "server/model/convmixer.h"
#include "server/model/device.h"
#include "server/model/exceptions.h"
#include "server/model/file.h"
#include "server/model/foreign_file.h"
#include "server/model/fused_check.h"
#include "server/model/mixer.h"
#include "server/model/normalization.h"
#include "server/model/recorded_network.h"
#include "server/model/version.h"
#include "server/model/vit.h"
#include "server/model/weights_files.h"

namespace patchserve {
namespace {

constexpr uint64_t kMaxConfigBytes = 16 << 20;

absl::Status InFile(const std::filesystem::path& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path.string(), ": ", status.message()));
}

absl::Status CheckKind(const std::filesystem::path& path, std::string_view file,
                       std::string_view wanted, std::string_view format) {
  const std::string instead = WhatItIsInstead(file, wanted, format);
  if (instead.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path.string(), " ", instead));
}

absl::StatusOr<Network> TakeNetwork(Weights& weights, const ModelConfig& config) {
  Network network;
  switch (config.family) {
    case Family::kConvMixer: {
      ASSIGN_OR_RETURN(ConvMixerWeights w, TakeConvMixer(weights, config));
      const int64_t size = w.dim;
      network = {[w = std::move(w)](const at::Tensor& images) { return ConvMixer(w, images); },
                 size};
      break;
    }
    case Family::kMixer: {
      ASSIGN_OR_RETURN(MixerWeights w, TakeMixer(weights, config));
      const int64_t size = w.embedding_size();
      network = {[w = std::move(w)](const at::Tensor& images) { return Mixer(w, images); }, size};
      break;
    }
    case Family::kViT: {
      ASSIGN_OR_RETURN(ViTWeights w, TakeViT(weights, config));
      const int64_t size = w.prefix.size(2);
      network = {[w = std::move(w)](const at::Tensor& images) { return ViT(w, images); }, size};
      break;
    }
  }
  RETURN_IF_ERROR(weights.CheckAllTaken());
  return network;
}

// `network`, by our own kernels, becomes the same one in LibTorch's steps unless it is as exact.
absl::Status KeepIfRight(Network& network, const std::vector<TensorView>& tensors,
                         const ModelConfig& config, const at::TensorOptions& target,
                         const EngineOptions& options, const std::filesystem::path& folder) {
  const auto in_steps = [&](const at::TensorOptions& as) -> absl::StatusOr<NetworkFunction> {
    Weights weights(tensors, as);
    ASSIGN_OR_RETURN(Network steps, TakeNetwork(weights, config));
    return std::move(steps.run);
  };
  ASSIGN_OR_RETURN(const std::shared_ptr<const uint8_t> photo, options.photo(config.preprocessing));
  const at::Tensor pictures = CheckPictures(photo.get(), config.preprocessing);
  ASSIGN_OR_RETURN(network.run,
                   FusedIfRight(network.run, in_steps, target, pictures, folder.string()));
  return absl::OkStatus();
}

// Runners of a GPU have a stream each, so that one's copies overlap another's compute.
c10::Stream StreamOfThisThread(const at::Device& device) {
  thread_local std::optional<c10::Stream> stream;
  if (!stream || stream->device() != device) {
    stream = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device, false);
  }
  return *stream;
}

std::vector<float> ToHost(const at::Tensor& tensor) {
  const at::Tensor host = tensor.to(at::kFloat).to(at::kCPU).contiguous();
  const float* const values = host.const_data_ptr<float>();
  return {values, values + host.numel()};
}

void Append(std::vector<float> more, std::vector<float>& values) {
  values.insert(values.end(), more.begin(), more.end());
}

class TorchEngine : public Engine {
 public:
  TorchEngine(ModelDescription description, Network network, const at::TensorOptions& target,
              const EngineOptions& options)
      : description_(std::move(description)),
        network_(std::move(network)),
        target_(target),
        deterministic_(options.deterministic),
        normalize_(description_.preprocessing, target) {
    if (options.graphs == nullptr) return;
    graphs_ = std::make_unique<RecordedNetwork>(*options.graphs, network_, description_, target,
                                                options.max_batch);
  }

  const ModelDescription& description() const override { return description_; }

  absl::StatusOr<BatchOutput> Forward(absl::Span<const ModelInput> images, int bucket,
                                      bool embeddings) const override {
    if (images.empty()) return BatchOutput();
    if (!deterministic_) return Run(images, bucket, embeddings);
    UseIntraOpThreads(1);  // more of them may sum in another order
    BatchOutput all;
    for (const ModelInput& image : images) {
      ASSIGN_OR_RETURN(BatchOutput one, Run({&image, 1}, 1, embeddings));
      Append(std::move(one.logits), all.logits);
      Append(std::move(one.embeddings), all.embeddings);
    }
    return all;
  }

 private:
  absl::StatusOr<BatchOutput> Run(absl::Span<const ModelInput> images, int bucket,
                                  bool embeddings) const {
    try {
      const c10::InferenceMode no_autograd;
      if (IsRecorded(bucket)) return graphs_->Run(images, bucket, embeddings);
      c10::OptionalStreamGuard stream;
      if (!target_.device().is_cpu()) stream.reset_stream(StreamOfThisThread(target_.device()));
      // The last image again and again: the padding's answers are left on the device.
      std::vector<ModelInput> padded(images.begin(), images.end());
      padded.resize(std::max<size_t>(bucket, images.size()), images.back());
      const NetworkOutput output = network_.run(Input(padded));
      const auto rows = static_cast<int64_t>(images.size());
      BatchOutput answers;
      if (output.logits.defined()) answers.logits = ToHost(output.logits.slice(0, 0, rows));
      if (embeddings) answers.embeddings = ToHost(output.embedding.slice(0, 0, rows));
      return answers;
    } catch (...) {
      return StatusOf(std::current_exception());
    }
  }

  // Records the bucket at its first use. What can't be recorded runs operator by operator from then
  // on; out of memory it throws, as any batch would.
  bool IsRecorded(int bucket) const {
    if (graphs_ == nullptr || unrecordable_) return false;
    try {
      graphs_->Record(bucket);
      return true;
    } catch (...) {
      const absl::Status why = StatusOf(std::current_exception());
      if (absl::IsResourceExhausted(why)) throw;
      TORCH_WARN(description_.architecture,
                 " runs without CUDA graphs: ", std::string(why.message()));
      unrecordable_ = true;
      return false;
    }
  }

  // -> [N, H, W, 3], normalised, in the network's precision.
  at::Tensor Input(absl::Span<const ModelInput> images) const {
    const int64_t count = images.size();
    const int64_t height = description_.preprocessing.height;
    const int64_t width = description_.preprocessing.width;
    const int64_t tensors = std::count_if(
        images.begin(), images.end(),
        [](const ModelInput& image) { return std::holds_alternative<const float*>(image); });
    if (tensors == 0) {
      return normalize_(ToDevice<uint8_t>(images, {count, height, width, 3}, at::kByte));
    }
    if (tensors == count) {
      return ToDevice<float>(images, {count, 3, height, width}, at::kFloat)
          .to(target_.dtype())
          .permute({0, 2, 3, 1})
          .contiguous();
    }
    std::vector<at::Tensor> rows;  // both kinds in one batch: rare, and need not be fast
    for (const ModelInput& image : images) rows.push_back(Input({&image, 1}));
    return at::cat(rows);
  }

  // The images one after the other.
  template <typename Value>
  at::Tensor ToDevice(absl::Span<const ModelInput> images, at::IntArrayRef shape,
                      at::ScalarType type) const {
    const bool on_cpu = target_.device().is_cpu();
    at::Tensor batch = at::empty(shape, at::TensorOptions(type).pinned_memory(!on_cpu));
    const size_t values = batch.numel() / images.size();
    Value* next = batch.mutable_data_ptr<Value>();
    for (const ModelInput& image : images) {
      std::memcpy(next, std::get<const Value*>(image), values * sizeof(Value));
      next += values;
    }
    return on_cpu ? batch : batch.to(target_.device(), /*non_blocking=*/true);
  }

  const ModelDescription description_;
  const Network network_;
  const at::TensorOptions target_;
  const bool deterministic_;
  const Normalization normalize_;
  std::unique_ptr<RecordedNetwork> graphs_;  // null: operator by operator
  mutable std::atomic<bool> unrecordable_ = false;
};

absl::StatusOr<std::unique_ptr<Engine>> LoadOrThrow(const std::filesystem::path& folder,
                                                    const EngineOptions& options) {
  ASSIGN_OR_RETURN(const std::string device_name, ResolveDevice(options.device));
  const at::Device device(device_name);
  ASSIGN_OR_RETURN(const at::ScalarType type, ResolvePrecision(options.precision, device));
  const at::TensorOptions target = at::TensorOptions(device).dtype(type);

  const std::filesystem::path config_path = folder / "config.json";
  FileBytes config_file;
  WeightsFiles weights_files;
  ModelConfig config;
  RETURN_IF_ERROR(
      OnceMoreIfReplaced({config_path, folder / "model.safetensors"}, [&]() -> absl::Status {
        ASSIGN_OR_RETURN(config_file, ReadFile(config_path, kMaxConfigBytes));
        RETURN_IF_ERROR(CheckKind(config_path, config_file.text(), "the configuration", "JSON"));
        auto parsed = ParseModelConfig(config_file.text());
        if (!parsed.ok()) return InFile(config_path, parsed.status());
        config = *std::move(parsed);
        ASSIGN_OR_RETURN(weights_files, ReadWeightsFiles(folder));
        return absl::OkStatus();
      }));
  ASSIGN_OR_RETURN(const std::vector<TensorView> tensors, ParseWeightsFiles(weights_files));
  const FusedKernels* const kernels = type == at::kFloat ? nullptr : options.kernels;
  Weights weights(tensors, target, kernels);
  // A published encoder may lack its classifier and still have the num_classes of before.
  if (!weights.Has("head.weight") && !weights.Has("head.bias")) config.classes.clear();
  auto network = TakeNetwork(weights, config);
  if (!network.ok()) return InFile(weights_files.path, network.status());
  if (kernels != nullptr) {
    RETURN_IF_ERROR(KeepIfRight(*network, tensors, config, target, options, folder));
  }

  ModelDescription description{
      .architecture = config.architecture,
      .version = VersionOf(config_file.text(), weights_files.texts()),
      .preprocessing = config.preprocessing,
      .classes = config.classes,
      .embedding_size = static_cast<int>(network->embedding_size),
      .precision = NameOf(type),
      .device = device_name,
      .weights_prefix = weights.prefix(),
  };
  auto engine =
      std::make_unique<TorchEngine>(std::move(description), *std::move(network), target, options);
  // Runners' streams don't wait for the one that copied the weights.
  if (!device.is_cpu()) {
    c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
  }
  return engine;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Load(const std::filesystem::path& folder,
                                                     const EngineOptions& options) {
  try {
    const c10::InferenceMode no_autograd;
    return LoadOrThrow(folder, options);
  } catch (...) {
    const absl::Status status = StatusOf(std::current_exception());
    return InFile(folder, status);
  }
}

}  // namespace patchserve
