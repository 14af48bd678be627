#include "client/loadgen/report.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/output.h"

namespace patchserve {
namespace {

using Json = nlohmann::ordered_json;

Json Milliseconds(const std::optional<absl::Duration>& duration) {
  if (!duration) return nullptr;
  return absl::ToDoubleMilliseconds(*duration);
}

Json Seconds(absl::Duration duration) {
  if (duration == absl::InfiniteDuration()) return nullptr;
  return absl::ToDoubleSeconds(duration);
}

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json ToJson(const Latencies& latencies) {
  return {{"count", latencies.count},
          {"p50", Milliseconds(latencies.p50)},
          {"p90", Milliseconds(latencies.p90)},
          {"p99", Milliseconds(latencies.p99)},
          {"p99.9", Milliseconds(latencies.p999)},
          {"max", Milliseconds(latencies.max)}};
}

std::string Row(absl::string_view name, const Latencies& latencies) {
  std::string row = absl::StrFormat("  %-9s", name);
  for (const auto& value :
       {latencies.p50, latencies.p90, latencies.p99, latencies.p999, latencies.max}) {
    if (value) {
      absl::StrAppendFormat(&row, " %9.2f", absl::ToDoubleMilliseconds(*value));
    } else {
      absl::StrAppendFormat(&row, " %9s", "-");
    }
  }
  return row + "\n";
}

std::string Headline(const Report& report) {
  std::string line =
      report.rate ? absl::StrFormat("open loop, %s arrivals at %g/s", report.arrivals, *report.rate)
                  : absl::StrFormat("closed loop, %d callers", *report.concurrency);
  absl::StrAppendFormat(&line, ", %d connection%s%s%s%s", report.connections,
                        report.connections == 1 ? "" : "s", report.stream ? ", streams" : "",
                        report.embedding ? ", embeddings" : "",
                        report.retries ? ", with retries" : "");
  absl::StrAppendFormat(&line, ": %s measured after %s, deadline %s\n",
                        absl::FormatDuration(report.duration), absl::FormatDuration(report.warm_up),
                        absl::FormatDuration(report.deadline));
  return line;
}

}  // namespace

std::string TextReport(const Report& report) {
  const Summary& summary = report.summary;
  std::string text = Headline(report);
  absl::StrAppendFormat(&text,
                        "offered     %10.1f requests/s\n"
                        "throughput  %10.1f OK answers/s\n"
                        "goodput     %10.1f of them in time/s\n",
                        summary.offered, summary.throughput, summary.goodput);
  absl::StrAppendFormat(&text, "latency, ms %9s %9s %9s %9s %9s\n", "p50", "p90", "p99", "p99.9",
                        "max");
  text += Row("OK", summary.ok) + Row("all sent", summary.all);
  text += "results\n";
  for (const auto& [code, count] : summary.results) {
    absl::StrAppendFormat(&text, "  %-20s %9d  %6.2f %%\n", code, count,
                          100.0 * count / summary.requests);
    if (const auto message = summary.messages.find(code); message != summary.messages.end()) {
      absl::StrAppend(&text, "    the first: ", Printable(message->second), "\n");
    }
  }
  absl::StrAppendFormat(&text, "loadgen used %.2f of its %.2f cores", report.cores_used,
                        report.usable_cores);
  if (report.cores_waited) absl::StrAppendFormat(&text, ", waited for %.2f", *report.cores_waited);
  if (report.rate && summary.late_p99) {
    absl::StrAppendFormat(&text, "; sends were late by p99 %.2f ms",
                          absl::ToDoubleMilliseconds(*summary.late_p99));
  }
  text += "\n";
  if (!report.limit.empty()) {
    absl::StrAppend(&text, "LOADGEN IS THE LIMIT, not the server: ", report.limit, "\n");
  }
  return text;
}

std::string JsonReport(const Report& report) {
  const Summary& summary = report.summary;
  Json json = {
      {"mode", report.rate ? "open" : "closed"},
      {"server", report.server},
      {"concurrency", OrNull(report.concurrency)},
      {"rate", OrNull(report.rate)},
      {"arrivals", report.rate ? Json(report.arrivals) : Json(nullptr)},
      {"stream", report.stream},
      {"embedding", report.embedding},
      {"retries", report.retries},
      {"connections", report.connections},
      {"models", report.models},
      {"photos", report.photos},
      {"seed", report.seed},
      {"warm_up_s", Seconds(report.warm_up)},
      {"duration_s", Seconds(report.duration)},
      {"deadline_s", Seconds(report.deadline)},
      {"requests", summary.requests},
      {"results", Json::object()},
      {"messages", Json::object()},
      {"offered_per_s", summary.offered},
      {"throughput_per_s", summary.throughput},
      {"goodput_per_s", summary.goodput},
      {"latency_ms", ToJson(summary.ok)},
      {"latency_all_ms", ToJson(summary.all)},
      {"late_p99_ms", report.rate ? Milliseconds(summary.late_p99) : Json(nullptr)},
      {"loadgen",
       {{"cores_used", report.cores_used},
        {"usable_cores", report.usable_cores},
        {"cores_waited", OrNull(report.cores_waited)},
        {"is_limit", !report.limit.empty()},
        {"limit_reason", report.limit.empty() ? Json(nullptr) : Json(report.limit)}}},
  };
  for (const auto& [code, count] : summary.results) json["results"][code] = count;
  for (const auto& [code, message] : summary.messages) json["messages"][code] = message;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace patchserve
