// That no load takes more memory than --memory_limit.

#include <atomic>
#include <fstream>
#include <opencv2/imgcodecs.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/eventually.h"
#include "tests/system/server_fixture.h"

namespace patchserve {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;

// 49 megapixels, of which libjpeg keeps all coefficients, in a file of 16 MB: decoders end at the
// picture's end.
std::string LargeProgressiveJpeg() {
  std::vector<uint8_t> file;
  cv::imencode(".jpg", cv::Mat(7000, 7000, CV_8UC3, cv::Scalar(40, 90, 200)), file,
               {cv::IMWRITE_JPEG_PROGRESSIVE, 1, cv::IMWRITE_JPEG_SAMPLING_FACTOR,
                cv::IMWRITE_JPEG_SAMPLING_FACTOR_444});
  file.resize(16'000'000);
  return {file.begin(), file.end()};
}

int64_t PeakResident(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  int64_t kilobytes = 0;
  for (std::string word; status >> word;) {
    if (word == "VmHWM:") status >> kilobytes;
  }
  return kilobytes * 1024;
}

class MemorySystemTest : public ::testing::TestWithParam<int64_t> {};

TEST_P(MemorySystemTest, ManyCallersOfLargeProgressivePhotosDontTakeMoreThanTheLimit) {
  ServingProcess server({"--models=" + kTestModels + "/vit", "--default_deadline=60s",
                         "--memory_limit=" + std::to_string(GetParam())});
  ASSERT_TRUE(server.serving) << server.process.log();
  const v1::ClassifyRequest request = EncodedRequest(LargeProgressiveJpeg());
  std::atomic<int> refused = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 32; ++i) {
    callers.emplace_back([&] {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      const auto stub = v1::ImageClassification::NewStub(grpc::CreateCustomChannel(
          server.process.address(), grpc::InsecureChannelCredentials(), arguments));
      for (int again = 0; again < 2; ++again) {
        grpc::ClientContext context;
        v1::ClassifyResponse response;
        const grpc::Status status = stub->Classify(&context, request, &response);
        if (!status.ok()) {
          ++refused;
          // gRPC, when its own part is full, ends connections: UNAVAILABLE.
          EXPECT_THAT(status.error_code(),
                      AnyOf(grpc::StatusCode::RESOURCE_EXHAUSTED, grpc::StatusCode::UNAVAILABLE))
              << status.error_message();
        }
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  // It serves again as soon as what they left behind is gone.
  v1::ClassifyResponse response;
  Eventually("it serves", [&] { return server.Classify(request, &response).ok(); });
  EXPECT_GT(refused, 0);
  EXPECT_LT(PeakResident(server.process.pid()), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Limits, MemorySystemTest, ::testing::Values(1024 * kMiB, 2048 * kMiB));

TEST(MemoryLimitTest, ALimitIntoWhichAnImageDoesntFitEndsTheServerWithTheSum) {
  ServerProcess server({"--models=" + kTestModels + "/vit", "--memory_limit=300000000"});
  EXPECT_EQ(server.WaitForExit(), 1);
  EXPECT_TRUE(server.WaitForLog("--memory_limit is 286 MiB, less than the sum of"));
}

TEST(MemoryLimitTest, AnImageThatNeverFitsIsInvalid) {
  ServingProcess server({"--models=" + kTestModels + "/vit", "--max_decoding_bytes=160000000"});
  ASSERT_TRUE(server.serving) << server.process.log();
  v1::ClassifyResponse response;
  const grpc::Status status = server.Classify(EncodedRequest(LargeProgressiveJpeg()), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("takes 441000000 bytes, more than the 160000000"));
}

}  // namespace
}  // namespace patchserve
