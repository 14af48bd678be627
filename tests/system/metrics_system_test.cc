#include <cstdlib>
#include <string>

#include "absl/strings/match.h"
#include "tests/system/http_get.h"
#include "tests/system/server_fixture.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;

TEST(MetricsSystemTest, AScrapeShowsEveryMetricAndPromtoolFindsNoFault) {
  ServingProcess server({"--models=" + kTestModels + "/vit"});
  ASSERT_TRUE(server.serving) << server.process.log();
  v1::ClassifyResponse response;
  ASSERT_TRUE(server.Classify(EncodedRequest(TestImage("chelsea.jpg")), &response).ok());
  EXPECT_FALSE(server.Classify(EncodedRequest("no image"), &response).ok());

  const std::string scrape = HttpGet(server.process.metrics_address(), "/metrics");
  for (const char* expected :
       {"patchserve_requests_total{code=\"OK\",model=\"vit\"} 1",
        "patchserve_requests_total{code=\"INVALID_ARGUMENT\",model=\"vit\"} 1",
        "patchserve_request_duration_seconds_count{model=\"vit\",outcome=\"ok\"} 1",
        "patchserve_request_duration_seconds_count{model=\"vit\",outcome=\"failed\"} 1",
        "patchserve_images_in_time_total{model=\"vit\"} 1",
        "patchserve_embeddings_total{model=\"vit\"} 0",
        "patchserve_dead_images_total{model=\"vit\"} 0",
        "patchserve_shed_total{criticality=\"default\",model=\"vit\",reason=\"late\"} 0",
        "patchserve_demand_seconds_total{model=\"vit\",stage=\"run\"} ",
        "patchserve_memory_limit_bytes ",
        "patchserve_memory_budget_bytes{for=\"decoding\"} ",
        "patchserve_predicted_queue_delay_seconds{model=\"vit\"} ",
        "patchserve_stage_duration_seconds_count{model=\"vit\",stage=\"decode\"} 1",
        "patchserve_batch_size_sum{model=\"vit\"} 1",
        "patchserve_images_total{model=\"vit\"} 1",
        "patchserve_queue_depth{model=\"vit\"} 0",
        "patchserve_in_flight 0",
        "patchserve_device_busy_seconds_total{device=\"cpu\"} ",
        "patchserve_device_runners{device=\"cpu\"} ",
        "patchserve_model_info{",
        "patchserve_model_ready{model=\"vit\"} 1",
        "patchserve_build_info{version=",
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "process_open_fds "}) {
    EXPECT_THAT(scrape, HasSubstr(expected));
  }

  const TemporaryFolder folder;
  const std::string file = folder.Write("scrape.txt", scrape);
  EXPECT_EQ(std::system(("promtool check metrics < " + file).c_str()), 0);
}

}  // namespace
}  // namespace patchserve
