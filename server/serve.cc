#include "server/serve.h"

#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "server/base/free_memory.h"
#include "server/base/status.h"
#include "server/config/config.h"
#include "server/config/flags.h"
#include "server/logging.h"
#include "server/process_events.h"
#include "server/server.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

int Fail(const absl::Status& why) {
  spdlog::error("{}", std::string(why.message()));
  return 1;
}

int ServeUntilStopped(const Config& config, Backend backend, ProcessEvents& events) {
  auto server = Server::Start(config, std::move(backend), [&events](const absl::Status& why) {
    events.Post({EventKind::kDeviceLost, why});
  });
  if (!server.ok()) return Fail(server.status());
  spdlog::info("gRPC on port {} of {}", (*server)->port(), config.address);
  if ((*server)->health_port() != 0) {
    spdlog::info("health on port {} of {}", (*server)->health_port(),
                 config.transport.health_address);
  }
  if (!config.metrics_address.empty()) {
    spdlog::info("metrics on port {} of {}", (*server)->metrics_port(), config.metrics_address);
  }

  std::thread loader([&] {
    const absl::Status loaded = (*server)->LoadModels();
    if (loaded.ok()) {
      spdlog::info("serving");
    } else if (!absl::IsCancelled(loaded)) {
      events.Post({EventKind::kLoadingFailed, loaded});
    }
  });
  const Event event = events.Wait();
  (*server)->CancelLoading();
  loader.join();
  const bool asked = event.kind == EventKind::kSignal;
  const absl::Duration none;
  (*server)->Stop(asked ? config.lame_duck : none, asked ? config.refuse_for : none);
  // The process ends here: what is left are libraries' threads, of which gRPC's
  // take ten seconds to join at times.
  static_cast<void>(server->release());
  return asked ? 0 : Fail(event.status);
}

}  // namespace

void Serve(int argc, char** argv,
           const std::function<absl::StatusOr<Backend>(const Config& config)>& open) {
  ParseFlags(argc, argv);
  SetUpLog(absl::GetFlag(FLAGS_log_format), absl::GetFlag(FLAGS_log_level));
  ProcessEvents events;  // before any other thread: it blocks the signals
  const auto serve = [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const Config config, ReadConfig());
    SetUpMalloc(config.memory_limit);
    ASSIGN_OR_RETURN(Backend backend, open(config));
    return ServeUntilStopped(config, std::move(backend), events);
  };
  const absl::StatusOr<int> exit_code = serve();
  const int code = exit_code.ok() ? *exit_code : Fail(exit_code.status());
  spdlog::shutdown();
  // Libraries' destructors of static objects race with threads that they left
  // behind; everything of ours has been stopped and written.
  std::fflush(nullptr);
  _exit(code);
}

}  // namespace patchserve
