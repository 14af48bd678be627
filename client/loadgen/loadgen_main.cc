// `loadgen`: puts load on a patchserve server and says what came of it.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <future>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/classifier_client.h"
#include "client/inputs.h"
#include "client/loadgen/connections.h"
#include "client/loadgen/loops.h"
#include "client/loadgen/model_mix.h"
#include "client/loadgen/own_cpu.h"
#include "client/loadgen/photos.h"
#include "client/loadgen/recorder.h"
#include "client/loadgen/report.h"
#include "client/loadgen/traffic.h"
#include "client/security_flags.h"
#include "client/version_flag.h"
#include "server/base/usable_cores.h"

ABSL_FLAG(std::string, server, "127.0.0.1:8001", "the server, as host:port");
ABSL_FLAG(std::optional<int>, concurrency, std::nullopt,
          "closed loop: callers that each wait for their answer; 8 unless --rate is given");
ABSL_FLAG(std::optional<double>, rate, std::nullopt, "open loop: requests a second");
ABSL_FLAG(std::optional<std::string>, arrivals, std::nullopt,
          "open loop: poisson (unless given) or constant gaps");
ABSL_FLAG(int, max_outstanding, 10000,
          "open loop: while so many are unanswered, what is due is counted as NOT_SENT");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(10), "how long to measure");
ABSL_FLAG(absl::Duration, warm_up, absl::Seconds(1), "how long to send before that");
ABSL_FLAG(absl::Duration, deadline, absl::Seconds(10),
          "time for each request, in an open loop from its intended send; inf: none");
ABSL_FLAG(std::string, models, "",
          "the mix by weight, as vit=3,convmixer=1; empty: the server's default model");
ABSL_FLAG(int, connections, 1, "TCP connections; requests take turns on them");
ABSL_FLAG(bool, stream, false, "send over one ClassifyStream call a connection");
ABSL_FLAG(bool, embedding, false, "ask for embeddings too; models without a classifier want it");
ABSL_FLAG(
    bool, retries, false,
    "try again what is UNAVAILABLE or RESOURCE_EXHAUSTED: calls by gRPC's service config, five "
    "tries in all; with --stream as `classify` does, until the deadline; off: each refusal "
    "is counted");
ABSL_FLAG(uint64_t, seed, 1, "of arrivals, and of the choice of photos and models");
ABSL_FLAG(int, photo_memory_mb, 1024,
          "read the first photos that fit into this much memory, in MiB");
ABSL_FLAG(std::string, json, "",
          "also write the report as JSON to this file; -: to stdout, and the text to stderr");

namespace patchserve {
namespace {

constexpr char kUsage[] = R"(puts load on a patchserve server.

  loadgen [flags] FILE|FOLDER|PATTERN ...

    loadgen photos                           closed loop: 8 callers
    loadgen --rate=200 --deadline=100ms photos
                                             open loop: 200 requests a second, whatever
                                             the server does
    loadgen --concurrency=64 --stream --connections=2 --json=- cat.jpg

Photos are read before, and picked at random; naming one twice doubles its share.
Exit status: 0 some answer was OK; 1 none was, there is no server, or a flag is unknown
or can't be read; 2 other wrong usage.
)";

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;
constexpr int kDefaultConcurrency = 8;

int Error(int exit_code, absl::string_view message) {
  std::cerr << "loadgen: " << message << "\n";
  return exit_code;
}

// What is wrong with the flags; empty if nothing.
std::string WrongFlag() {
  const auto concurrency = absl::GetFlag(FLAGS_concurrency);
  const auto rate = absl::GetFlag(FLAGS_rate);
  const auto arrivals = absl::GetFlag(FLAGS_arrivals);
  const absl::Duration duration = absl::GetFlag(FLAGS_duration);
  const absl::Duration warm_up = absl::GetFlag(FLAGS_warm_up);
  if (concurrency && rate)
    return "--concurrency (closed loop) and --rate (open loop) exclude each other";
  if (concurrency && *concurrency < 1) return "--concurrency must be 1 or more";
  if (rate && !(*rate > 0 && *rate < 1e6)) return "--rate must be above 0 and below 1000000";
  if (arrivals && !rate) return "--arrivals is of the open loop: give --rate";
  if (arrivals && *arrivals != "poisson" && *arrivals != "constant") {
    return absl::StrCat("--arrivals is '", *arrivals, "'; it can be poisson or constant");
  }
  if (absl::GetFlag(FLAGS_max_outstanding) < 1) return "--max_outstanding must be 1 or more";
  if (absl::GetFlag(FLAGS_connections) < 1) return "--connections must be 1 or more";
  if (absl::GetFlag(FLAGS_photo_memory_mb) < 1) return "--photo_memory_mb must be 1 or more";
  if (absl::GetFlag(FLAGS_deadline) <= absl::ZeroDuration())
    return "--deadline must be more than 0";
  if (duration <= absl::ZeroDuration() || duration == absl::InfiniteDuration()) {
    return "--duration must be more than 0 and finite";
  }
  if (warm_up < absl::ZeroDuration() || warm_up == absl::InfiniteDuration()) {
    return "--warm_up must be 0 or more and finite";
  }
  return "";
}

Report Asked(size_t photos) {
  Report report = {.server = absl::GetFlag(FLAGS_server),
                   .concurrency = absl::GetFlag(FLAGS_concurrency),
                   .rate = absl::GetFlag(FLAGS_rate),
                   .arrivals = absl::GetFlag(FLAGS_arrivals).value_or("poisson"),
                   .stream = absl::GetFlag(FLAGS_stream),
                   .embedding = absl::GetFlag(FLAGS_embedding),
                   .retries = absl::GetFlag(FLAGS_retries),
                   .connections = absl::GetFlag(FLAGS_connections),
                   .models = absl::GetFlag(FLAGS_models),
                   .photos = photos,
                   .seed = absl::GetFlag(FLAGS_seed),
                   .warm_up = absl::GetFlag(FLAGS_warm_up),
                   .duration = absl::GetFlag(FLAGS_duration),
                   .deadline = absl::GetFlag(FLAGS_deadline)};
  if (!report.rate && !report.concurrency) report.concurrency = kDefaultConcurrency;
  return report;
}

// What this process uses of its cores between two points in time. Blocks until the second.
OwnUse OwnUseBetween(const Clock& clock, absl::Duration begin, absl::Duration end) {
  clock.sleep_until(begin);
  const absl::Duration before = OwnCpuTime();
  const CoreWaits waits_before = OwnCoreWaits();
  clock.sleep_until(end);
  const auto waited = WaitedBetween(waits_before, OwnCoreWaits());
  OwnUse use = {.cores_used = absl::FDivDuration(OwnCpuTime() - before, end - begin),
                .usable_cores = UsableCores()};
  if (waited) use.cores_waited = absl::FDivDuration(*waited, end - begin);
  return use;
}

void Measure(Traffic& traffic, Report& report) {
  const absl::Duration end = report.warm_up + report.duration;
  const Clock clock = StartClock();
  Recorder recorder(report.warm_up, end, report.deadline);
  const SendFunction send = [&](absl::Duration deadline, auto done) {
    traffic.Send(deadline, std::move(done));
  };
  auto own_use = std::async(std::launch::async, OwnUseBetween, clock, report.warm_up, end);
  if (report.rate) {
    const Spacing spacing = report.arrivals == "poisson" ? Spacing::kPoisson : Spacing::kConstant;
    RunLoop(OpenLoop{Arrivals(spacing, *report.rate, report.seed),
                     absl::GetFlag(FLAGS_max_outstanding), report.deadline},
            end, clock, send, recorder);
  } else {
    RunLoop(ClosedLoop{*report.concurrency, report.deadline}, end, clock, send, recorder);
  }
  report.summary = recorder.Summarize();
  OwnUse use = own_use.get();
  if (report.rate) use.late_p99 = report.summary.late_p99;
  if (const auto found = report.summary.results.find("NOT_SENT");
      found != report.summary.results.end()) {
    use.not_sent = found->second;
  }
  report.cores_used = use.cores_used;
  report.usable_cores = use.usable_cores;
  report.cores_waited = use.cores_waited;
  report.limit = OwnLimit(use);
}

// Whether it could be printed.
bool Print(const Report& report) {
  const std::string json = absl::GetFlag(FLAGS_json);
  (json == "-" ? std::cerr : std::cout) << TextReport(report) << std::flush;
  if (json == "-") return static_cast<bool>(std::cout << JsonReport(report) << std::flush);
  if (json.empty()) return static_cast<bool>(std::cout);
  return static_cast<bool>(std::ofstream(json) << JsonReport(report) << std::flush);
}

int Main(int argc, char** argv) {
  AddVersionFlag("loadgen");
  absl::SetProgramUsageMessage(kUsage);
  const std::vector<char*> positional = absl::ParseCommandLine(argc, argv);
  const std::vector<std::string> arguments(positional.begin() + 1, positional.end());
  if (arguments.empty())
    return Error(kWrongUsage, absl::StrCat(kUsage, "\n--help lists the flags"));
  if (const std::string wrong = WrongFlag(); !wrong.empty()) return Error(kWrongUsage, wrong);
  absl::StatusOr<Security> security = ReadSecurityFlags();
  if (!security.ok()) return Error(kWrongUsage, security.status().message());
  absl::StatusOr<ModelMix> models = ModelMix::Parse(absl::GetFlag(FLAGS_models));
  if (!models.ok()) return Error(kWrongUsage, models.status().message());
  if (const std::string path = absl::GetFlag(FLAGS_json);
      !path.empty() && path != "-" && !std::ofstream(path, std::ios::app)) {
    return Error(kWrongUsage,
                 absl::StrCat("--json=", path, ": can't write it: ", std::strerror(errno)));
  }
  const std::vector<Input> inputs = ExpandArguments(arguments);
  absl::StatusOr<std::vector<std::string>> photos =
      ReadPhotos(inputs, static_cast<size_t>(absl::GetFlag(FLAGS_photo_memory_mb)) << 20);
  if (!photos.ok()) return Error(kWrongUsage, photos.status().message());
  if (photos->size() < inputs.size()) {
    std::cerr << "loadgen: the first " << photos->size() << " of " << inputs.size()
              << " photos are used, as many as --photo_memory_mb holds\n";
  }
  Report report = Asked(photos->size());
  absl::StatusOr<std::vector<ClassifyFunction>> connections = OpenConnections(
      {.server = report.server,
       .count = report.connections,
       .stream = report.stream,
       .retries = report.retries,
       .security = *std::move(security),
       .max_unanswered = report.concurrency.value_or(absl::GetFlag(FLAGS_max_outstanding))});
  if (!connections.ok()) return Error(kFailed, connections.status().message());
  Traffic traffic(*std::move(connections), *std::move(photos), *std::move(models), report.embedding,
                  report.seed);
  Measure(traffic, report);
  if (!Print(report)) return Error(kFailed, "can't write the report");
  return report.summary.ok.count > 0 ? 0 : kFailed;
}

}  // namespace
}  // namespace patchserve

int main(int argc, char** argv) { return patchserve::Main(argc, argv); }
