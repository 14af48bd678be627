// patchserve, all but its networks: what it answers comes from a device that only takes time.
//
//   device_server --models=vit_tiny_patch16_224=FOLDER [flags of patchserve] [its own]
//
// FOLDER holds a curves.json in which the model is found by its name. A second /metrics, at
// --device_metrics_address, counts what the device really did:
//   device_busy_seconds_total{model}   one batch at a time, so at most one a second
//   device_first_use_seconds_total{model}   runners that waited for a size's first run
//   device_batches_total{model,size}   by the size that ran on the device

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "bench/device/curves.h"
#include "bench/device/simulated_device.h"
#include "prometheus/counter.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "server/base/status.h"
#include "server/net/http_server.h"
#include "server/serve.h"
#include "spdlog/spdlog.h"

ABSL_FLAG(std::string, curve, "run_ms",
          "Which times of curves.json: run_ms, graph_ms or eager_ms.");
ABSL_FLAG(double, noise, 0, "Standard deviation of a batch's time, in parts of it, 0 to 0.3.");
ABSL_FLAG(int, image_size, 224,
          "Side of the models' input. A small one costs RPCs and decoding next to nothing.");
ABSL_FLAG(std::string, device_metrics_address, "127.0.0.1:0",
          "Where the device's own /metrics is.");

namespace patchserve {
namespace {

constexpr char kDevice[] = "simulated";
constexpr int kClasses = 1000;

// The device's own account of what it did.
class DeviceAccount {
 public:
  explicit DeviceAccount(ListeningSockets sockets)
      : busy_(prometheus::BuildCounter().Name("device_busy_seconds_total").Register(registry_)),
        first_(
            prometheus::BuildCounter().Name("device_first_use_seconds_total").Register(registry_)),
        batches_(prometheus::BuildCounter().Name("device_batches_total").Register(registry_)),
        http_(std::move(sockets),
              {{"/metrics", {"text/plain; version=0.0.4", [this] {
                               return prometheus::TextSerializer().Serialize(registry_.Collect());
                             }}}}) {}

  int port() const { return http_.port(); }

  void Ran(const SimulatedDevice::Batch& batch) {
    busy_.Add({{"model", batch.model}}).Increment(absl::ToDoubleSeconds(batch.busy));
    first_.Add({{"model", batch.model}}).Increment(absl::ToDoubleSeconds(batch.first));
    batches_.Add({{"model", batch.model}, {"size", absl::StrCat(batch.size)}}).Increment();
  }

 private:
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>&busy_, &first_, &batches_;
  HttpServer http_;
};

// The number of the calling runner.
thread_local int runner = 0;

void PrepareRunner(int number) {
  runner = number;
  SimulatedDevice::SleepExactly();
}

ModelDescription Describe(const std::string& name) {
  ModelDescription description{.architecture = name,
                               .version = kDevice,
                               .embedding_size = 1,
                               .precision = "bfloat16",
                               .device = kDevice};
  // So that an image of the model's size is taken as it is.
  description.preprocessing.crop_pct = 1;
  description.preprocessing.width = absl::GetFlag(FLAGS_image_size);
  description.preprocessing.height = absl::GetFlag(FLAGS_image_size);
  for (int id = 0; id < kClasses; ++id) {
    description.classes.push_back({absl::StrCat(id), absl::StrCat("class ", id)});
  }
  return description;
}

// Every image's: class 7 first.
BatchOutput Answers(int images, bool embeddings) {
  static const std::vector<float> kLogits = [] {
    std::vector<float> logits(kClasses);
    for (int id = 0; id < kClasses; ++id) logits[id] = static_cast<float>((id * 611 + 722) % 1000);
    return logits;
  }();
  BatchOutput output;
  output.logits.reserve(size_t{kClasses} * images);
  for (int image = 0; image < images; ++image) {
    output.logits.insert(output.logits.end(), kLogits.begin(), kLogits.end());
  }
  if (embeddings) output.embeddings.resize(images);
  return output;
}

absl::StatusOr<LoadedModel> Load(const std::shared_ptr<SimulatedDevice>& device,
                                 const ModelSettings& settings) {
  ASSIGN_OR_RETURN(ModelCurves curves, ReadCurves(settings.folder + "/curves.json", settings.name,
                                                  absl::GetFlag(FLAGS_curve)));
  return LoadedModel{Describe(settings.name),
                     [device, name = settings.name, curves = std::move(curves)](
                         absl::Span<const ModelInput> images, int bucket,
                         bool embeddings) -> absl::StatusOr<BatchOutput> {
                       // The device is charged for what it is asked to run: a batch that is padded
                       // to a size that is warm takes as long as a full one of that size.
                       device->Run(runner, name, curves, bucket);
                       return Answers(static_cast<int>(images.size()), embeddings);
                     }};
}

absl::StatusOr<Backend> OpenSimulatedDevice(const Config&) {
  const double noise = absl::GetFlag(FLAGS_noise);
  if (!(noise >= 0 && noise <= 0.3)) {
    return absl::InvalidArgumentError(absl::StrCat("--noise is ", noise, ", not 0 to 0.3"));
  }
  // Lives until the process ends: runners may still be at it.
  const std::string address = absl::GetFlag(FLAGS_device_metrics_address);
  ASSIGN_OR_RETURN(ListeningSockets sockets, ListenOn(address));
  auto* account = new DeviceAccount(std::move(sockets));
  spdlog::info("the device's account on port {} of {}", account->port(), address);
  auto device = std::make_shared<SimulatedDevice>(
      SimulatedDevice::RealClock(), noise,
      [account](const SimulatedDevice::Batch& batch) { account->Ran(batch); });
  return Backend{
      .device = kDevice,
      .runners_share = true,
      .prepare_runner = PrepareRunner,
      .load = [device](const ModelSettings& settings) { return Load(device, settings); }};
}

}  // namespace
}  // namespace patchserve

int main(int argc, char** argv) { patchserve::Serve(argc, argv, patchserve::OpenSimulatedDevice); }
