#include "server/logging.h"

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "google/protobuf/stubs/logging.h"
#include "grpc/support/log.h"
#include "server/base/line_limit.h"
#include "server/base/mutex.h"
#include "server/base/quote.h"
#include "server/base/steady_clock.h"
#include "server/rpc/handshake_failure.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kAccess[] = "access";
constexpr char kTextPattern[] = "%Y-%m-%dT%H:%M:%S.%e%z %l %v";

// Bytes that aren't UTF-8 become the replacement character.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// A line an event. The access log's messages are JSON objects already: their fields join it.
class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& event, spdlog::memory_buf_t& out) override {
    Json line;
    line["time"] =
        absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromChrono(event.time), absl::UTCTimeZone());
    const auto level = spdlog::level::to_string_view(event.level);
    line["level"] = std::string(level.data(), level.size());
    line["logger"] = std::string(event.logger_name.data(), event.logger_name.size());
    const std::string message(event.payload.data(), event.payload.size());
    if (line["logger"] == kAccess) {
      line.update(Json::parse(message));
    } else {
      line["message"] = message;
    }
    const std::string text = Dump(line);
    out.append(text.data(), text.data() + text.size());
    out.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }
};

// A level that isn't known is an error of the configuration, which must be seen.
spdlog::level::level_enum LevelOf(const std::string& name) {
  const auto level = spdlog::level::from_str(name);
  return level == spdlog::level::off ? spdlog::level::info : level;
}

// Leaked: LibTorch's and gRPC's threads may log until the process ends.
struct Loggers {
  std::shared_ptr<spdlog::logger> grpc, torch, access;
  bool json = false;
  Mutex mutex;
  // By the place in gRPC's source, of which there are some hundred.
  std::map<std::pair<std::string, int>, LineLimit> errors ABSL_GUARDED_BY(mutex);
  std::function<void(const std::string& reason)> count_handshakes ABSL_GUARDED_BY(mutex);
};
Loggers* loggers = nullptr;

// How many lines like this were left out before it; nothing: this one is left out too. Each
// connection that sends garbage, and each message that is compressed, makes an error line.
std::optional<int64_t> ShowGrpc(const gpr_log_func_args& line) {
  if (line.severity != GPR_LOG_SEVERITY_ERROR) return 0;
  Lock lock(loggers->mutex);
  return loggers->errors[{line.file, line.line}].Show(SteadyNow());
}

spdlog::level::level_enum LevelOf(gpr_log_severity severity) {
  switch (severity) {
    case GPR_LOG_SEVERITY_ERROR:
      return spdlog::level::err;
    case GPR_LOG_SEVERITY_INFO:
      return spdlog::level::info;
    case GPR_LOG_SEVERITY_DEBUG:
      return spdlog::level::debug;
  }
  return spdlog::level::err;
}

void CountHandshake(const gpr_log_func_args& line) {
  const char* reason = HandshakeFailure(line.file, line.message);
  if (reason == nullptr) return;
  Lock lock(loggers->mutex);
  if (loggers->count_handshakes) loggers->count_handshakes(reason);
}

// Clients cause most of its lines, with bytes of theirs in them.
void LogGrpc(gpr_log_func_args* line) {
  CountHandshake(*line);
  const std::optional<int64_t> left_out = ShowGrpc(*line);
  if (!left_out) return;
  std::string text = absl::StrCat(OneLine(line->message), " (", line->file, ":", line->line, ")");
  if (*left_out > 0) absl::StrAppend(&text, " (and ", *left_out, " like it before)");
  loggers->grpc->log(LevelOf(line->severity), "{}", text);
}

// Of messages that can't be parsed, which is their sender's fault: the access log has them.
void LogProtobuf(google::protobuf::LogLevel, const char*, int, const std::string& text) {
  loggers->grpc->debug("{}", OneLine(text));
}

double Milliseconds(absl::Duration duration) {
  return absl::ToInt64Microseconds(duration) / 1000.0;
}

Json Fields(const AccessEntry& entry) {
  Json fields{{"model", entry.model},
              {"code", absl::StatusCodeToString(entry.status.code())},
              {"total_ms", Milliseconds(entry.total)}};
  if (entry.status.ok()) {
    fields["decode_ms"] = Milliseconds(entry.decode);
    fields["queue_ms"] = Milliseconds(entry.queue);
    fields["run_ms"] = Milliseconds(entry.run);
    fields["batch"] = entry.batch_size;
    fields["images"] = entry.images;
  } else {
    fields["error"] = std::string(entry.status.message());
  }
  if (!entry.token.empty()) fields["token"] = entry.token;
  if (!entry.traceparent.empty()) fields["traceparent"] = entry.traceparent;
  return fields;
}

}  // namespace

void SetUpLog(const std::string& format, const std::string& level) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto make = [&](const char* name) {
    auto logger = std::make_shared<spdlog::logger>(name, sink);
    logger->set_level(LevelOf(level));
    return logger;
  };
  spdlog::set_default_logger(make("patchserve"));
  loggers = new Loggers{.grpc = make("grpc"),
                        .torch = make("torch"),
                        .access = make(kAccess),
                        .json = format == "json"};
  loggers->access->set_level(spdlog::level::info);
  if (loggers->json) {
    sink->set_formatter(std::make_unique<JsonFormatter>());
  } else {
    sink->set_pattern(kTextPattern);
  }
  gpr_set_log_function(LogGrpc);
  google::protobuf::SetLogHandler(LogProtobuf);
}

void CountHandshakeFailures(std::function<void(const std::string& reason)> count) {
  Lock lock(loggers->mutex);
  loggers->count_handshakes = std::move(count);
}

void LogTorch(const std::string& text) { loggers->torch->warn("{}", text); }

void LogAccess(const AccessEntry& entry) {
  const Json fields = Fields(entry);
  if (loggers->json) {
    loggers->access->info("{}", Dump(fields));
    return;
  }
  std::string line = kAccess;
  for (const auto& [name, value] : fields.items())
    absl::StrAppend(&line, " ", name, "=", Dump(value));
  loggers->access->info("{}", line);
}

}  // namespace patchserve
