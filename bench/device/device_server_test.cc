// The whole server over a simulated device: what a client and a scrape see of it.

#include <string>
#include <thread>
#include <vector>

#include "tests/system/http_get.h"
#include "tests/system/server_fixture.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;

const std::string kModel = "vit_tiny_patch16_224";

TEST(DeviceServerTest, PhotosAreAnsweredAndTheDeviceAccountsForItsBatches) {
  ServingProcess server({"--models=" + kModel + "=" DEVICE_FOLDER, "--runners=1", "--max_batch=2"},
                        {}, DEVICE_SERVER_PROGRAM);
  ASSERT_TRUE(server.serving) << server.process.log();
  v1::ClassifyResponse response;
  const grpc::Status status =
      server.Classify(EncodedRequest(TestImage("500x375.jpg"), kModel), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.predictions(0).class_id(), 7);
  EXPECT_EQ(response.predictions_size(), 5);
  EXPECT_EQ(response.batch_size(), 1);

  EXPECT_THAT(HttpGet(server.process.metrics_address(), "/metrics"),
              HasSubstr("patchserve_batch_size_bucket{model=\"" + kModel + "\",le=\"1\"} 1"));
  const std::string account =
      HttpGet(server.process.AddressAfter("the device's account on port "), "/metrics");
  for (const char* size : {"1", "2"}) {  // the warm-up's at least
    EXPECT_THAT(account,
                HasSubstr("device_batches_total{model=\"" + kModel + "\",size=\"" + size + "\"} "));
  }
  EXPECT_THAT(account, HasSubstr("device_busy_seconds_total{model=\"" + kModel + "\"} "));
  EXPECT_THAT(account, HasSubstr("device_first_use_seconds_total{model=\"" + kModel + "\"} "));
}

TEST(DeviceServerTest, AModelWithoutCurvesEndsTheServerWithItsName) {
  ServingProcess server({"--models=resnet50=" DEVICE_FOLDER}, {}, DEVICE_SERVER_PROGRAM);
  EXPECT_FALSE(server.serving);
  EXPECT_EQ(server.process.WaitForExit(), 1);
  EXPECT_THAT(server.process.log(), HasSubstr("has no run_ms of a model resnet50"));
}

}  // namespace
}  // namespace patchserve
