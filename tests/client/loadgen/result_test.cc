// What a load comes to: percentiles, the summary, the report, the load generator's limit.
#include <gmock/gmock.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "client/loadgen/own_cpu.h"
#include "client/loadgen/recorder.h"
#include "client/loadgen/report.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Optional;
using ::testing::Pair;

const absl::Duration ms = absl::Milliseconds(1);
const absl::Status kOk;

// 1, 2, ... count ms, shuffled.
std::vector<absl::Duration> Milliseconds(int count) {
  std::vector<absl::Duration> values;
  for (int i = 0; i < count; ++i) values.push_back((1 + i * 7 % count) * ms);
  return values;
}

TEST(PercentileTest, ItIsTheValueOfTheNearestRank) {
  auto ten = Milliseconds(10), thousand = Milliseconds(1000);
  EXPECT_THAT(Percentile(ten, 0.5), Optional(5 * ms));
  EXPECT_THAT(Percentile(ten, 0.9), Optional(9 * ms));
  EXPECT_THAT(Percentile(ten, 0.99), Optional(10 * ms));
  EXPECT_THAT(Percentile(thousand, 0.999), Optional(999 * ms));
  EXPECT_THAT(Percentile(thousand, 1), Optional(1000 * ms));
}

TEST(PercentileTest, OfOneValueItIsThatAndOfNoneThereIsNone) {
  auto one = Milliseconds(1);
  std::vector<absl::Duration> none;
  EXPECT_THAT(Percentile(one, 0.5), Optional(1 * ms));
  EXPECT_EQ(Percentile(none, 0.5), std::nullopt);
}

TEST(RecorderTest, OnlyWhatWasIntendedInTheMeasuredTimeCounts) {
  Recorder recorder(100 * ms, 200 * ms, absl::Seconds(1));
  for (int intended : {99, 100, 199, 200}) {
    recorder.Add({.intended = intended * ms, .latency = intended * ms, .status = kOk});
  }
  EXPECT_EQ(recorder.Summarize().requests, 2);
  EXPECT_THAT(recorder.Summarize().ok.max, Optional(199 * ms));
}

// Half a second: an answer in time, one late, a refusal, and one not sent.
Summary Mixed() {
  Recorder recorder(absl::ZeroDuration(), 500 * ms, 50 * ms);
  recorder.Add({.late = 1 * ms, .latency = 50 * ms, .status = kOk});
  recorder.Add({.late = 3 * ms, .latency = 51 * ms, .status = kOk});
  recorder.Add({.late = 2 * ms, .latency = 4 * ms, .status = absl::UnavailableError("away")});
  recorder.Add({.late = 900 * ms});
  return recorder.Summarize();
}

TEST(RecorderTest, RatesAreASecondAndGoodputIsWhatCameInTime) {
  EXPECT_EQ(Mixed().offered, 8);
  EXPECT_EQ(Mixed().throughput, 4);
  EXPECT_EQ(Mixed().goodput, 2);
}

TEST(RecorderTest, EveryRequestIsInTheResultsByCode) {
  EXPECT_EQ(Mixed().requests, 4);
  EXPECT_THAT(Mixed().results,
              ElementsAre(Pair("NOT_SENT", 1), Pair("OK", 2), Pair("UNAVAILABLE", 1)));
}

TEST(RecorderTest, AQuickRefusalDoesNotFlatterTheLatencyOfAnswers) {
  EXPECT_EQ(Mixed().ok.count, 2);
  EXPECT_THAT(Mixed().ok.p50, Optional(50 * ms));
  EXPECT_EQ(Mixed().all.count, 3);
}

TEST(RecorderTest, LatenessCountsWhatWasTooLateToBeSentToo) {
  EXPECT_THAT(Mixed().late_p99, Optional(900 * ms));
}

TEST(RecorderTest, TheFirstErrorOfEachCodeIsKept) {
  Recorder recorder(absl::ZeroDuration(), 500 * ms, 50 * ms);
  for (const auto& status : {absl::UnavailableError("one"), absl::UnavailableError("two"), kOk,
                             absl::InternalError("three")}) {
    recorder.Add({.status = status});
  }
  EXPECT_THAT(recorder.Summarize().messages,
              ElementsAre(Pair("INTERNAL", "three"), Pair("UNAVAILABLE", "one")));
}

TEST(CoreWaitTest, ItIsTheSecondFieldInNanoseconds) {
  EXPECT_THAT(CoreWait("13602531 2000000 42"), Optional(2 * ms));
  EXPECT_EQ(CoreWait(""), std::nullopt);
  EXPECT_EQ(CoreWait("1"), std::nullopt);
}

TEST(CoreWaitTest, ThreadsThatCameAndWentDontSpoilTheSum) {
  EXPECT_THAT(WaitedBetween({{1, 5 * ms}, {2, 90 * ms}}, {{1, 7 * ms}, {3, 4 * ms}}),
              Optional(6 * ms));
  EXPECT_EQ(WaitedBetween({}, {}), std::nullopt);
}

TEST(CoreWaitTest, TheSystemTellsOfThisThread) { EXPECT_EQ(OwnCoreWaits().count(getpid()), 1); }

TEST(OwnLimitTest, ABusyOrLateLoadgenIsTheLimit) {
  EXPECT_THAT(OwnLimit({.cores_used = 1.79, .usable_cores = 2, .late_p99 = 10 * ms}), IsEmpty());
  EXPECT_EQ(OwnLimit({.cores_used = 1.8, .usable_cores = 2}),
            "loadgen used 1.80 of its 2.00 cores");
  EXPECT_EQ(OwnLimit({.cores_used = 0.1, .usable_cores = 2, .late_p99 = 11 * ms}),
            "loadgen sent late: p99 11.0 ms after the intended time; it needs cores of its own");
}

TEST(OwnLimitTest, SoIsOneThatWaitsForACoreMuchLongerThanItRuns) {
  EXPECT_THAT(OwnLimit({.cores_used = 0.1, .usable_cores = 2, .cores_waited = 0.3}), IsEmpty());
  EXPECT_EQ(OwnLimit({.cores_used = 0.1, .usable_cores = 2, .cores_waited = 0.64}),
            "loadgen waited for a core 6.4 times as long as it had one; it needs cores of its own");
}

TEST(OwnLimitTest, SoIsOneThatDidNotSend) {
  EXPECT_THAT(OwnLimit({.usable_cores = 2, .not_sent = 3}), HasSubstr("3 requests weren't sent"));
}

Report OpenReport() {
  return {.server = "s:1",
          .rate = 8,
          .arrivals = "poisson",
          .photos = 3,
          .seed = 5,
          .warm_up = 100 * ms,
          .duration = 500 * ms,
          .deadline = 50 * ms,
          .summary = Mixed(),
          .cores_used = 0.25,
          .usable_cores = 2,
          .cores_waited = 0.5};
}

TEST(JsonReportTest, TheNamesAreThoseOfTheManual) {
  const auto json = nlohmann::json::parse(JsonReport(OpenReport()));
  EXPECT_EQ(json["mode"], "open");
  EXPECT_EQ(json["rate"], 8);
  EXPECT_EQ(json["concurrency"], nullptr);
  EXPECT_EQ(json["deadline_s"], 0.05);
  EXPECT_EQ(json["requests"], 4);
  EXPECT_EQ(json["results"]["NOT_SENT"], 1);
  EXPECT_EQ(json["goodput_per_s"], 2);
  EXPECT_EQ(json["latency_ms"]["p99.9"], 51);
  EXPECT_EQ(json["latency_all_ms"]["count"], 3);
  EXPECT_EQ(json["late_p99_ms"], 900);
  EXPECT_EQ(json["messages"]["UNAVAILABLE"], "away");
  EXPECT_EQ(json["loadgen"]["cores_used"], 0.25);
  EXPECT_EQ(json["loadgen"]["cores_waited"], 0.5);
  EXPECT_EQ(json["loadgen"]["is_limit"], false);
}

TEST(JsonReportTest, WhatIsNotKnownIsNull) {
  Report report = OpenReport();
  report.summary = Summary();
  report.deadline = absl::InfiniteDuration();
  const auto json = nlohmann::json::parse(JsonReport(report));
  EXPECT_EQ(json["latency_ms"]["p50"], nullptr);
  EXPECT_EQ(json["deadline_s"], nullptr);
  EXPECT_EQ(json["results"], nlohmann::json::object());
}

TEST(TextReportTest, TheHeadlineNamesEachWayInWhichTheLoadWasMade) {
  Report report = OpenReport();
  report.connections = 2;
  report.stream = report.embedding = report.retries = true;
  EXPECT_THAT(TextReport(report), HasSubstr("2 connections, streams, embeddings, with retries: "));
}

TEST(TextReportTest, ResultsAreCountedAndThereIsNoWordOfALimitThatIsNone) {
  const std::string text = TextReport(OpenReport());
  EXPECT_THAT(text, HasSubstr("open loop, poisson arrivals at 8/s, 1 connection: 500ms"));
  EXPECT_THAT(text, HasSubstr("  NOT_SENT                     1   25.00 %\n"));
  EXPECT_THAT(text, HasSubstr("  UNAVAILABLE                  1   25.00 %\n    the first: away\n"));
  EXPECT_THAT(text, HasSubstr("loadgen used 0.25 of its 2.00 cores, waited for 0.50"));
  EXPECT_THAT(text, Not(HasSubstr("LIMIT")));
}

TEST(ReportTest, ALimitIsSaidInBoth) {
  Report report = OpenReport();
  report.limit = "loadgen used 2.00 of its 2.00 cores";
  EXPECT_THAT(TextReport(report),
              HasSubstr("LOADGEN IS THE LIMIT, not the server: " + report.limit));
  const auto json = nlohmann::json::parse(JsonReport(report));
  EXPECT_EQ(json["loadgen"]["is_limit"], true);
  EXPECT_EQ(json["loadgen"]["limit_reason"], report.limit);
}

}  // namespace
}  // namespace patchserve
