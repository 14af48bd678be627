// Images a second of a network alone, by batch size, as a JSON object:
//
//   engine_bench --model=FOLDER --device=cuda:0 --precision=bfloat16 --batches=1,32,128
//
// As in the server, two threads hand it batches, each a thread of a runner's.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/base/status.h"
#include "server/torch_backend.h"
#include "tests/model/pixels.h"

ABSL_FLAG(std::string, model, "", "A checkpoint folder.");
ABSL_FLAG(std::string, device, "cuda:0", "As the server's.");
ABSL_FLAG(std::string, precision, "bfloat16", "float32, bfloat16 or float16.");
ABSL_FLAG(std::vector<std::string>, batches, {"1"}, "Images in a batch.");
ABSL_FLAG(double, seconds, 0.25, "How long each is measured.");
ABSL_FLAG(bool, experimental, true, "With CUDA graphs and our own kernels.");
ABSL_FLAG(int, threads, 2, "How many batches are under way at once.");

namespace patchserve {
namespace {

// Each is run this often before it is measured: what a first use costs is none of its speed.
constexpr int kWarmUps = 5;

absl::StatusOr<double> ImagesPerSecond(const Backend& backend, const LoadedModel& model, int batch,
                                       absl::Duration length, int threads) {
  const std::vector<uint8_t> pixels = Pixels(0, model.description.preprocessing.bytes());
  const auto image = std::static_pointer_cast<uint8_t>(backend.allocate_input(pixels.size()));
  std::copy(pixels.begin(), pixels.end(), image.get());
  const std::vector<ModelInput> images(batch, image.get());
  std::atomic<int> ready = 0;
  std::atomic<int64_t> done = 0;
  std::atomic<bool> begin = false, end = false;
  std::vector<absl::Status> statuses(threads);
  std::vector<std::thread> runners;
  for (int i = 0; i < threads; ++i) {
    runners.emplace_back([&, i] {
      backend.prepare_runner(i);
      const auto run = [&] { statuses[i].Update(model.forward(images, batch, false).status()); };
      for (int n = 0; n < kWarmUps; ++n) run();
      ++ready;
      begin.wait(false);
      while (!end && statuses[i].ok()) {
        run();
        done += batch;
      }
    });
  }
  while (ready < threads) absl::SleepFor(absl::Milliseconds(1));
  const absl::Time began = absl::Now();
  begin = true;
  begin.notify_all();
  absl::SleepFor(length);
  end = true;
  for (std::thread& runner : runners) runner.join();  // to the end of the batches under way
  for (const absl::Status& status : statuses) RETURN_IF_ERROR(status);
  return static_cast<double>(done) / absl::ToDoubleSeconds(absl::Now() - began);
}

absl::Status Measure() {
  std::vector<int> batches;
  for (const std::string& text : absl::GetFlag(FLAGS_batches)) {
    if (!absl::SimpleAtoi(text, &batches.emplace_back()) || batches.back() < 1) {
      return absl::InvalidArgumentError("--batches: " + text);
    }
  }
  ASSIGN_OR_RETURN(const Backend backend,
                   OpenTorch({.device = absl::GetFlag(FLAGS_device),
                              .cuda_graphs = absl::GetFlag(FLAGS_experimental)}));
  ASSIGN_OR_RETURN(const LoadedModel model,
                   backend.load({.name = "measured",
                                 .folder = absl::GetFlag(FLAGS_model),
                                 .precision = absl::GetFlag(FLAGS_precision),
                                 .max_batch = *std::max_element(batches.begin(), batches.end()),
                                 .fused_kernels = absl::GetFlag(FLAGS_experimental)}));
  std::string json;
  for (const int batch : batches) {
    ASSIGN_OR_RETURN(const double rate, ImagesPerSecond(backend, model, batch,
                                                        absl::Seconds(absl::GetFlag(FLAGS_seconds)),
                                                        absl::GetFlag(FLAGS_threads)));
    absl::StrAppendFormat(&json, "%s\"%d\": %.1f", json.empty() ? "" : ", ", batch, rate);
  }
  std::printf("{%s}\n", json.c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace patchserve

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = patchserve::Measure();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
