#include "server/metrics/metrics.h"

#include <gmock/gmock.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class MetricsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Metrics> metrics = Metrics::Create("1.2.3");
  ModelMetrics& model = metrics->Model("vit");
};

TEST_F(MetricsTest, ARequestIsCountedUnderItsCodeAndTimed) {
  model.RequestAnswered(absl::StatusCode::kInvalidArgument, absl::Milliseconds(3));
  const std::string scrape = metrics->Scrape();
  EXPECT_THAT(scrape,
              HasSubstr("patchserve_requests_total{code=\"INVALID_ARGUMENT\",model=\"vit\"} 1\n"));
  EXPECT_THAT(scrape, HasSubstr("patchserve_request_duration_seconds_bucket{model=\"vit\",outcome="
                                "\"failed\",le=\"0.0025\"} 0\n"));
  EXPECT_THAT(scrape, HasSubstr("patchserve_request_duration_seconds_bucket{model=\"vit\",outcome="
                                "\"failed\",le=\"0.005\"} 1\n"));
}

// Else an alert wouldn't see the first one: rate() knows no increase from nothing.
TEST_F(MetricsTest, TheUsualCodesAreShownBeforeTheyComeAndOthersAreNot) {
  const std::string scrape = metrics->Scrape();
  EXPECT_THAT(scrape, HasSubstr("patchserve_requests_total{code=\"INTERNAL\",model=\"vit\"} 0\n"));
  EXPECT_THAT(scrape, HasSubstr("patchserve_unauthenticated_total{reason=\"no_token\"} 0\n"));
  EXPECT_THAT(scrape, HasSubstr("patchserve_handshakes_failed_total{reason=\"other\"} 0\n"));
  EXPECT_THAT(scrape, Not(HasSubstr("NOT_FOUND")));
}

TEST_F(MetricsTest, RefusedCallsFailedHandshakesAndNewCertificatesAreCountedByReason) {
  metrics->CallRefused("unknown_token");
  metrics->HandshakeFailed("not_tls");
  metrics->CertificateChanged(/*fit=*/false);
  const std::string scrape = metrics->Scrape();
  EXPECT_THAT(scrape, HasSubstr("patchserve_unauthenticated_total{reason=\"unknown_token\"} 1\n"));
  EXPECT_THAT(scrape, HasSubstr("patchserve_handshakes_failed_total{reason=\"not_tls\"} 1\n"));
  EXPECT_THAT(scrape, HasSubstr("patchserve_certificate_changes_total{result=\"loaded\"} 0\n"));
  EXPECT_THAT(scrape, HasSubstr("patchserve_certificate_changes_total{result=\"refused\"} 1\n"));
}

TEST_F(MetricsTest, TheCertificatesEndIsAskedForAtEachScrapeAndStaysWhereItIsntKnown) {
  constexpr char kName[] = "patchserve_certificate_expiry_timestamp_seconds";
  EXPECT_THAT(metrics->Scrape(), Not(HasSubstr(kName)));
  std::optional<absl::Time> end = absl::FromUnixSeconds(1'800'000'000);
  metrics->ShowCertificateEnd([&end] { return end; });
  EXPECT_THAT(metrics->Scrape(), HasSubstr(absl::StrCat(kName, " 1800000000\n")));
  end.reset();
  EXPECT_THAT(metrics->Scrape(), HasSubstr(absl::StrCat(kName, " 1800000000\n")));
}

TEST_F(MetricsTest, AnUnknownModelHasRequestsAndNoOtherSeries) {
  metrics->UnknownModelAnswered(absl::StatusCode::kNotFound);
  const std::string scrape = metrics->Scrape();
  EXPECT_THAT(scrape, HasSubstr("patchserve_requests_total{code=\"NOT_FOUND\",model=\"\"} 1\n"));
  EXPECT_THAT(scrape, Not(HasSubstr("{model=\"\"")));
}

TEST_F(MetricsTest, ABatchCountsItsImages) {
  model.BatchRan(3);
  model.BatchRan(1);
  const std::string scrape = metrics->Scrape();
  EXPECT_THAT(scrape, HasSubstr("patchserve_images_total{model=\"vit\"} 4\n"));
  EXPECT_THAT(scrape, HasSubstr("patchserve_batch_size_count{model=\"vit\"} 2\n"));
  EXPECT_THAT(scrape, HasSubstr("patchserve_batch_size_bucket{model=\"vit\",le=\"2\"} 1\n"));
}

TEST_F(MetricsTest, EachStageHasItsOwnHistogram) {
  model.StageTook(Stage::kDecode, absl::Milliseconds(1));
  model.StageTook(Stage::kRespond, absl::Microseconds(100));
  const std::string scrape = metrics->Scrape();
  for (const std::string expected : {"\"decode\"} 1\n", "\"queue\"} 0\n", "\"respond\"} 1\n"}) {
    EXPECT_THAT(scrape,
                HasSubstr(absl::StrCat(
                    "patchserve_stage_duration_seconds_count{model=\"vit\",stage=", expected)));
  }
}

TEST_F(MetricsTest, AReplacedModelShowsItsNewInfoOnly) {
  model.SetInfo({"aaa", "vit_tiny_patch16_224", "cpu", "float32"});
  model.SetInfo({"bbb", "vit_tiny_patch16_224", "cpu", "float32"});
  EXPECT_THAT(metrics->Scrape(), Not(HasSubstr("version=\"aaa\"")));
  EXPECT_THAT(metrics->Scrape(), HasSubstr("version=\"bbb\""));
}

TEST_F(MetricsTest, AModelOfAHubShowsItsCommit) {
  model.SetInfo({"aaa", "vit_tiny_patch16_224", "cpu", "float32", "c0ffee"});
  EXPECT_THAT(metrics->Scrape(), HasSubstr("commit=\"c0ffee\""));
  model.SetInfo({"aaa", "vit_tiny_patch16_224", "cpu", "float32"});
  EXPECT_THAT(metrics->Scrape(), Not(HasSubstr("commit=")));
}

TEST_F(MetricsTest, ADeviceAddsUpItsBusyTime) {
  DeviceMetrics& device = metrics->Device("cpu");
  device.SetRunners(2);
  device.Busy(absl::Seconds(1));
  device.Busy(absl::Milliseconds(500));
  EXPECT_THAT(metrics->Scrape(),
              HasSubstr("patchserve_device_busy_seconds_total{device=\"cpu\"} 1.5\n"));
  EXPECT_THAT(metrics->Scrape(), HasSubstr("patchserve_device_runners{device=\"cpu\"} 2\n"));
}

TEST_F(MetricsTest, TheBuildAndTheProcessAreShown) {
  const std::string scrape = metrics->Scrape();
  for (const char* expected :
       {"patchserve_build_info{version=\"1.2.3\"} 1", "process_cpu_seconds_total ",
        "process_resident_memory_bytes ", "process_open_fds ", "process_start_time_seconds 1"}) {
    EXPECT_THAT(scrape, HasSubstr(expected));
  }
}

TEST_F(MetricsTest, TritonsNamesAreShownOnlyWhenAskedFor) {
  model.statistics().Succeeded(
      /*images=*/3, {.total = absl::Milliseconds(9), .queue = absl::Milliseconds(2)}, absl::Now());
  model.statistics().Failed(absl::StatusCode::kDeadlineExceeded, absl::Milliseconds(1));
  model.statistics().BatchRan(2, absl::Milliseconds(1), absl::Milliseconds(5), {});
  EXPECT_THAT(metrics->Scrape(), Not(HasSubstr("nv_")));
  metrics->ShowTritonNames();
  const std::string scrape = metrics->Scrape();
  for (const std::string expected :
       {"request_success{model=\"vit\",version=\"1\"} 1\n",
        "request_failure{model=\"vit\",version=\"1\",reason=\"REJECTED\"} 1\n",
        "request_failure{model=\"vit\",version=\"1\",reason=\"OTHER\"} 0\n",
        "count{model=\"vit\",version=\"1\"} 3\n", "exec_count{model=\"vit\",version=\"1\"} 1\n",
        "request_duration_us{model=\"vit\",version=\"1\"} 9000\n",
        "queue_duration_us{model=\"vit\",version=\"1\"} 2000\n"}) {
    EXPECT_THAT(scrape, HasSubstr("nv_inference_" + expected));
  }
  EXPECT_THAT(scrape, HasSubstr("nv_cpu_memory_total_bytes "));
}

TEST_F(MetricsTest, TheTimeThatAModelTookToLoadIsShownWhileItIsLoaded) {
  metrics->ShowTritonNames();
  const std::string shown = "nv_model_load_duration_secs{model=\"vit\",version=\"1\"} 2.5\n";
  EXPECT_THAT(metrics->Scrape(), Not(HasSubstr("secs{model")));
  model.SetLoadTime(absl::Seconds(2.5));
  model.SetInfo({"v", "vit", "cpu", "float32"});
  EXPECT_THAT(metrics->Scrape(), HasSubstr(shown));
  model.ClearInfo();
  EXPECT_THAT(metrics->Scrape(), Not(HasSubstr(shown)));
}

TEST_F(MetricsTest, ThreadsThatCountTogetherLoseNothing) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      for (int j = 0; j < 1000; ++j) {
        metrics->Model("vit").RequestAnswered(absl::StatusCode::kOk, absl::Milliseconds(1));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(metrics->Scrape(),
              HasSubstr("patchserve_requests_total{code=\"OK\",model=\"vit\"} 4000\n"));
}

TEST_F(MetricsTest, APortInUseIsAnErrorThatNamesIt) {
  ASSERT_TRUE(metrics->Expose("127.0.0.1:0").ok());
  auto second = Metrics::Create("1.2.3");
  const std::string address = absl::StrCat("127.0.0.1:", metrics->port());
  const absl::Status status = second->Expose(address);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), HasSubstr(address));
}

}  // namespace
}  // namespace patchserve
