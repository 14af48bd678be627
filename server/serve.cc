#include "server/serve.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "server/base/status.h"
#include "server/base/usable_cores.h"
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

// Each of malloc's arenas keeps up to 64 MiB of freed memory, and a thread stays with its own: the
// fewer megabytes there are, the fewer arenas. glibc's own limit is eight a core.
void LimitArenas(int64_t memory_limit) {
  constexpr int64_t kBytesPerArena = int64_t{512} << 20;
  const int64_t own_limit = std::max<int64_t>(8 * static_cast<int64_t>(UsableCores()), 2);
  mallopt(M_ARENA_MAX, std::clamp<int64_t>(memory_limit / kBytesPerArena, 2, own_limit));
}

int ServeUntilStopped(const Config& config, Backend backend, ProcessEvents& events) {
  LimitArenas(config.memory_limit);
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
