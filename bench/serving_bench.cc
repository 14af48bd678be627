// What serving costs over the bare work: the figures of README.md's "Speed".
//
//   build/bin/serving_bench [--seconds=5] [--rounds=5] [--only=bfloat16] [--json=FILE]
//     [--model=vit_small_patch8_32|models/vit_cifar10]
//
// (a) The server's CPU time an answer through gRPC, at 8 and at 32 callers, over the
//     CPU time an image of decode + forward called in a loop in this process: same
//     engine, precision and threads, at the loop's best batch size. Rounds of the two
//     take turns, so that a change of the machine's mood meets both; the medians count.
// (b) The same at 8 callers through ModelInfer of the Open Inference Protocol, over that of
//     Classify: rounds of the two take turns as well.
// (c) What the server adds to a lone request: p50 of the time through gRPC minus its
//     decode and its run.

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/checkpoint.h"
#include "client/classifier_client.h"
#include "client/loadgen/loops.h"
#include "client/loadgen/own_cpu.h"
#include "inference/grpc_service.grpc.pb.h"
#include "server/base/bytes.h"
#include "server/base/free_memory.h"
#include "server/base/proto_duration.h"
#include "server/image/decode.h"
#include "server/image/header.h"
#include "server/image/preprocess.h"
#include "server/model/engine.h"
#include "tests/system/server_process.h"

ABSL_FLAG(double, seconds, 5, "Length of one round.");
ABSL_FLAG(int, rounds, 5, "Rounds of each kind.");
ABSL_FLAG(std::string, only, "", "float32 or bfloat16; empty: both.");
ABSL_FLAG(std::string, photo, PATCHSERVE_TEST_DATA "/images/500x375.jpg", "What is classified.");
ABSL_FLAG(std::string, model, "vit_tiny_patch16_224",
          "A checkpoint folder (with a slash in it), or an architecture, given random weights.");
ABSL_FLAG(std::string, json, "", "Also write the figures to this file, a JSON list.");

namespace patchserve {
namespace {

std::string ReadPhoto() {
  std::stringstream bytes;
  bytes << std::ifstream(absl::GetFlag(FLAGS_photo), std::ios::binary).rdbuf();
  return bytes.str();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// User and system time of another process: fields 14 and 15 of /proc/PID/stat.
double CpuSecondsOf(pid_t pid) {
  std::string stat;
  std::getline(std::ifstream(absl::StrCat("/proc/", pid, "/stat")), stat);
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / sysconf(_SC_CLK_TCK);
}

// Decode + forward in as many threads as the server has runners; CPU seconds an image.
double BareRound(const Engine& engine, const std::string& photo, int threads, int batch_size) {
  const Preprocessing& how = engine.description().preprocessing;
  const absl::Span<const uint8_t> file = AsBytes(photo);
  std::atomic<int64_t> images = 0;
  const absl::Time end = absl::Now() + absl::Seconds(absl::GetFlag(FLAGS_seconds));
  const absl::Duration cpu = OwnCpuTime();
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&] {
      PrepareRunnerThread(1);
      std::vector<std::vector<uint8_t>> inputs(batch_size, std::vector<uint8_t>(how.bytes()));
      std::vector<ModelInput> batch;
      for (auto& input : inputs) batch.push_back(static_cast<const uint8_t*>(input.data()));
      while (absl::Now() < end) {
        for (auto& input : inputs) {
          const ImageInfo info = ReadHeader(file, ImageLimits{}).value();
          Preprocess(Decode(file, info).value(), how, absl::MakeSpan(input));
        }
        engine.Forward(batch, batch_size, false).value();
        images += batch_size;
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  return absl::ToDoubleSeconds(OwnCpuTime() - cpu) / static_cast<double>(images);
}

struct Served {
  double cpu = 0;   // seconds an answer
  double rate = 0;  // answers a second
};

// One photo through Classify.
SendFunction SendClassify(ClassifierClient& client, const std::string& photo) {
  return [&](absl::Duration, auto done) {
    client.ClassifyAsync(photo, {},
                         [done = std::move(done)](const ClassifierClient::Answer& answer) mutable {
                           std::move(done)(answer.status());
                         });
  };
}

// The same photo through ModelInfer.
SendFunction SendInfer(inference::GRPCInferenceService::Stub& stub, const std::string& photo) {
  struct Call {
    grpc::ClientContext context;
    inference::ModelInferRequest request;
    inference::ModelInferResponse response;
    absl::AnyInvocable<void(absl::Status) &&> done;
  };
  return [&](absl::Duration, auto done) {
    auto call = std::make_shared<Call>();
    auto& input = *call->request.add_inputs();
    input.set_name("image");
    input.set_datatype("BYTES");
    input.add_shape(1);
    input.add_shape(1);
    const uint32_t length = static_cast<uint32_t>(photo.size());
    std::string& raw = *call->request.add_raw_input_contents();
    raw.assign(reinterpret_cast<const char*>(&length), sizeof(length));
    raw += photo;
    call->done = std::move(done);
    stub.async()->ModelInfer(
        &call->context, &call->request, &call->response, [call](const grpc::Status& status) {
          std::move(call->done)(absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                                             status.error_message()));
        });
  };
}

// `callers` requests are always under way, until the round ends.
Served ServedRound(const SendFunction& send, pid_t server, int callers) {
  const absl::Duration end = absl::Seconds(absl::GetFlag(FLAGS_seconds));
  const absl::Duration no_deadline = absl::InfiniteDuration();
  Recorder recorder(absl::ZeroDuration(), end, no_deadline);
  const double cpu = CpuSecondsOf(server);
  const Clock clock = StartClock();
  RunLoop(ClosedLoop{callers, no_deadline}, end, clock, send, recorder);
  const double seconds = absl::ToDoubleSeconds(clock.now());
  const Summary summary = recorder.Summarize();
  const int64_t answers = summary.ok.count;
  if (answers < summary.requests) {
    std::fprintf(stderr, "%d of %d requests failed\n", static_cast<int>(summary.requests - answers),
                 static_cast<int>(summary.requests));
  }
  return {(CpuSecondsOf(server) - cpu) / answers, answers / seconds};
}

// Median milliseconds that a request takes beside its decode and its run, and in all.
std::pair<double, double> LoneRequest(ClassifierClient& client, const std::string& photo) {
  std::vector<double> added, total;
  const absl::Time end = absl::Now() + absl::Seconds(absl::GetFlag(FLAGS_seconds));
  while (absl::Now() < end) {
    const absl::Time start = absl::Now();
    const v1::ClassifyResponse response = client.Classify(photo, {}).value();
    const absl::Duration took = absl::Now() - start;
    const v1::Timings& timings = response.timings();
    added.push_back(
        absl::ToDoubleMilliseconds(took - ToAbsl(timings.decode()) - ToAbsl(timings.run())));
    total.push_back(absl::ToDoubleMilliseconds(took));
  }
  return {Median(added), Median(total)};
}

// Median milliseconds of the same message when it is refused at once: what gRPC and the
// network take, client and server together.
double RefusedRequest(ClassifierClient& client, const std::string& photo) {
  std::vector<double> took;
  for (int i = 0; i < 500; ++i) {
    const absl::Time start = absl::Now();
    if (client.Classify(photo, {.top_k = 0}).ok()) std::exit(1);
    took.push_back(absl::ToDoubleMilliseconds(absl::Now() - start));
  }
  return Median(took);
}

// The figures of one precision; "served" is by callers.
nlohmann::ordered_json Compare(const std::string& folder, const std::string& precision) {
  const std::string photo = ReadPhoto();
  const int runners = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const auto engine =
      Engine::Load(folder, {.device = "cpu",
                            .precision = precision == "float32" ? Precision::kFloat32
                                                                : Precision::kBFloat16})
          .value();
  ServerProcess server({"--models=" + folder, "--device=cpu", "--precision=" + precision,
                        absl::StrCat("--runners=", runners), "--default_deadline=1h"});
  if (!server.WaitUntilServing()) {
    std::fprintf(stderr, "%s\n", server.log().c_str());
    std::exit(1);
  }
  const auto channel = Connect(server.address());
  ClassifierClient client(channel);
  const auto oip = inference::GRPCInferenceService::NewStub(channel);
  const SendFunction classify = SendClassify(client, photo), infer = SendInfer(*oip, photo);

  int best_batch = 1;
  double best = 1e9;
  for (int batch : {1, 2, 4, 8}) {
    const double cpu = BareRound(*engine, photo, runners, batch);
    std::printf("%s  bare, batches of %d: %.2f CPU-ms an image\n", precision.c_str(), batch,
                cpu * 1e3);
    if (cpu < best) best = cpu, best_batch = batch;
  }
  for (const SendFunction& send : {classify, infer}) {  // warms both sides
    ServedRound(send, server.pid(), 8);
  }

  std::vector<double> bare, infer_cpu;
  std::map<int, std::vector<double>> cpu = {{8, {}}, {32, {}}}, rate = cpu;
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    bare.push_back(BareRound(*engine, photo, runners, best_batch));
    for (auto& [callers, values] : cpu) {
      const Served served = ServedRound(classify, server.pid(), callers);
      values.push_back(served.cpu);
      rate[callers].push_back(served.rate);
    }
    infer_cpu.push_back(ServedRound(infer, server.pid(), 8).cpu);
  }
  const auto [added, total] = LoneRequest(client, photo);
  nlohmann::ordered_json figures = {{"precision", precision},
                                    {"bare_batch", best_batch},
                                    {"threads", runners},
                                    {"bare_cpu_ms", Median(bare) * 1e3},
                                    {"lone_p50_ms", total},
                                    {"lone_added_p50_ms", added},
                                    {"refused_p50_ms", RefusedRequest(client, photo)}};
  for (const auto& [callers, values] : cpu) {
    figures["served"][std::to_string(callers)] = {{"cpu_ms", Median(values) * 1e3},
                                                  {"ratio", Median(values) / Median(bare)},
                                                  {"answers_per_s", Median(rate[callers])}};
  }
  figures["infer"] = {{"cpu_ms", Median(infer_cpu) * 1e3},
                      {"ratio", Median(infer_cpu) / Median(cpu[8])}};
  return figures;
}

void Print(const nlohmann::ordered_json& figures) {
  const std::string precision = figures["precision"];
  std::printf("%s  bare, batches of %d, %d threads: %.2f CPU-ms an image\n", precision.c_str(),
              figures["bare_batch"].get<int>(), figures["threads"].get<int>(),
              figures["bare_cpu_ms"].get<double>());
  for (const auto& [callers, served] : figures["served"].items()) {
    std::printf("%s  served, %2s callers: %.2f CPU-ms an answer, ratio %.3f, %.1f answers/s\n",
                precision.c_str(), callers.c_str(), served["cpu_ms"].get<double>(),
                served["ratio"].get<double>(), served["answers_per_s"].get<double>());
  }
  std::printf("%s  ModelInfer, 8 callers: %.2f CPU-ms an answer, ratio to Classify %.3f\n",
              precision.c_str(), figures["infer"]["cpu_ms"].get<double>(),
              figures["infer"]["ratio"].get<double>());
  std::printf(
      "%s  lone request: p50 %.2f ms, of which beside decode and run %.3f ms; the same "
      "message refused at once: %.3f ms\n",
      precision.c_str(), figures["lone_p50_ms"].get<double>(),
      figures["lone_added_p50_ms"].get<double>(), figures["refused_p50_ms"].get<double>());
}

}  // namespace
}  // namespace patchserve

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  patchserve::SetUpMalloc(INT64_MAX);  // as the server does
  const std::string model = absl::GetFlag(FLAGS_model);
  const patchserve::Checkpoint checkpoint(model);
  std::printf("%s, %s\n", model.c_str(), absl::GetFlag(FLAGS_photo).c_str());
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const std::string precision : {"float32", "bfloat16"}) {
    if (absl::GetFlag(FLAGS_only).empty() || absl::GetFlag(FLAGS_only) == precision) {
      all.push_back(patchserve::Compare(checkpoint.folder(), precision));
      patchserve::Print(all.back());
    }
  }
  const std::string json = absl::GetFlag(FLAGS_json);
  return json.empty() || std::ofstream(json) << all.dump(1) << "\n" << std::flush ? 0 : 1;
}
