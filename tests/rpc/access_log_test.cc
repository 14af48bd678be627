#include "server/rpc/access_log.h"

#include "tests/rpc/infer_fixture.h"

namespace patchserve {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kTraceparent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

class AccessLogTest : public InferTest {
 protected:
  // The one entry of a call with this traceparent.
  AccessEntry Logged(const v1::ClassifyRequest& request, const std::string& traceparent) {
    grpc::ClientContext context;
    context.AddMetadata("traceparent", traceparent);
    v1::ClassifyResponse response;
    stub->Classify(&context, request, &response);
    return TheEntry();
  }

  AccessEntry TheEntry() {
    std::lock_guard lock(mutex);
    EXPECT_THAT(logged, SizeIs(1));
    return logged.empty() ? AccessEntry{} : logged.back();
  }
};

TEST_F(AccessLogTest, AnAnswerIsLoggedWithItsTimingsAndItsCallersTrace) {
  const AccessEntry entry = Logged(ColourRequest(1, 2, 3), kTraceparent);
  EXPECT_TRUE(entry.status.ok());
  EXPECT_EQ(entry.model, "fake");
  EXPECT_EQ(entry.traceparent, kTraceparent);
  EXPECT_EQ(entry.batch_size, 1);
  EXPECT_GE(entry.total, entry.run + entry.queue);
}

TEST_F(AccessLogTest, AnErrorIsLoggedAndAMalformedTraceIsnt) {
  v1::ClassifyRequest request = ColourRequest(1, 2, 3);
  request.set_model("nobody");
  const AccessEntry entry = Logged(request, "00-\"}injected");
  EXPECT_EQ(entry.status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(entry.model, "nobody");
  EXPECT_THAT(entry.traceparent, IsEmpty());
}

TEST_F(AccessLogTest, ARefusalOfTheDefaultModelHasItsName) {
  const AccessEntry entry = Logged({}, kTraceparent);
  EXPECT_EQ(entry.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(entry.model, "fake");
}

TEST_F(AccessLogTest, AModelInferIsOneEntryHoweverManyImagesItHas) {
  grpc::ClientContext context;
  context.AddMetadata("traceparent", kTraceparent);
  const std::string file = ColourFile(1, 2, 3);
  ASSERT_TRUE(oip->ModelInfer(&context, FileRequest({file, file, file}), &response).ok());
  const AccessEntry entry = TheEntry();
  EXPECT_EQ(entry.images, 3);
  EXPECT_EQ(entry.model, "fake");
  EXPECT_EQ(entry.traceparent, kTraceparent);
}

TEST_F(AccessLogTest, ARequestOfEitherStreamIsAnEntry) {
  grpc::ClientContext ours, theirs;
  auto stream = stub->ClassifyStream(&ours);
  v1::ClassifyStreamRequest request;
  *request.mutable_request() = ColourRequest(1, 2, 3);
  v1::ClassifyStreamResponse answer;
  ASSERT_TRUE(stream->Write(request) && stream->Read(&answer));
  EXPECT_TRUE(TheEntry().status.ok());
  auto infer = oip->ModelStreamInfer(&theirs);
  inference::ModelStreamInferResponse inferred;
  ASSERT_TRUE(infer->Write(RawRequest("nobody", "BYTES", {1}, "")) && infer->Read(&inferred));
  std::lock_guard lock(mutex);
  ASSERT_THAT(logged, SizeIs(2));
  EXPECT_EQ(logged[1].model, "nobody");
  EXPECT_EQ(logged[1].status.code(), absl::StatusCode::kNotFound);
}

TEST(AccessLogSamplingTest, TheShareIsLoggedEvenly) {
  int written = 0;
  AccessLog log(
      0.25, [&written](const AccessEntry&) { ++written; }, "fake");
  grpc::CallbackServerContext call;
  for (int i = 0; i < 100; ++i)
    log.Note(call, absl::InfinitePast(), {"", absl::CancelledError(), {}});
  EXPECT_EQ(written, 25);
}

}  // namespace
}  // namespace patchserve
