// What a caller's gRPC library says of a call reaches the scheduler, whichever RPC it came by.
#include "server/rpc/caller.h"

#include <limits>
#include <string>
#include <thread>

#include "tests/rpc/infer_fixture.h"

namespace patchserve {
namespace {

// A service that only looks at the call.
class DeadlineService : public v1::ImageClassification::CallbackService {
 public:
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest*,
                                       v1::ListModelsResponse*) override {
    left = DeadlineOf(*context) - SteadyNow();
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  absl::Duration left;  // until the deadline
};

class DeadlineOfTest : public ::testing::Test {
 protected:
  DeadlineOfTest() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    stub_ = v1::ImageClassification::NewStub(server_->InProcessChannel({}));
  }
  ~DeadlineOfTest() override { server_->Shutdown(); }

  // What the server sees of a deadline so many seconds from now; 0: of none.
  absl::Duration Seen(int64_t seconds) {
    grpc::ClientContext context;
    gpr_timespec deadline = gpr_now(GPR_CLOCK_REALTIME);
    deadline.tv_sec += seconds;
    if (seconds > 0) context.set_deadline(deadline);
    v1::ListModelsResponse response;
    EXPECT_TRUE(stub_->ListModels(&context, {}, &response).ok());
    return service_.left;
  }

 private:
  DeadlineService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::ImageClassification::Stub> stub_;
};

TEST_F(DeadlineOfTest, ADeadlineIsOnTheServersSteadyClock) {
  const absl::Duration left = Seen(1000);
  EXPECT_LE(left, absl::Seconds(1000) + absl::Milliseconds(10));
  EXPECT_GT(left, absl::Seconds(900));
  EXPECT_GT(Seen(3 * 365 * 86400), absl::Hours(24 * 1000));
}

TEST_F(DeadlineOfTest, NoDeadlineIsInfinite) { EXPECT_EQ(Seen(0), absl::InfiniteDuration()); }

TEST_F(DeadlineOfTest, WhatGoClientsMeanByForEverIsInfinite) {
  // math.MaxInt64 nanoseconds: 292 years.
  EXPECT_EQ(Seen(std::numeric_limits<int64_t>::max() / 1'000'000'000), absl::InfiniteDuration());
}

// One request runs and one waits, as many as may; time stands still. So each first try that is
// refused seems to come a nanosecond after the one before: that is overload, and retries should
// stay away. Retries themselves count for nothing.
class RetryTest : public InferTest {
 protected:
  void SetUp() override {
    options.now = [now = SteadyNow()] { return now; };
    InferTest::SetUp();
    const std::shared_ptr<ServedModel> full = model.Served("fake");
    full->max_queue = 1;
    classifier->Schedule(full);
    registry.SetReady(full);
    model.Hold();
    waiting.emplace_back([this] { Answered(); });
    model.WaitUntilBusy(1);
    waiting.emplace_back([this] { Answered(); });
    while (!Shows("patchserve_queue_depth{model=\"fake\"} 1")) std::this_thread::yield();
  }
  void TearDown() override {
    model.Release();
    for (std::thread& call : waiting) call.join();
    InferTest::TearDown();
  }

  void Answered() {
    v1::ClassifyResponse response;
    EXPECT_TRUE(Call(ColourRequest(1, 2, 3), &response).ok());
  }
  static void Mark(grpc::ClientContext& context, bool retried) {
    if (retried) context.AddMetadata("patchserve-previous-attempts", "1");
  }

  // The pause that a retry is told to make, in milliseconds; -1: not to come again.
  std::string Pushback(bool retried = true) {
    grpc::ClientContext context;
    Mark(context, retried);
    v1::ClassifyResponse response;
    EXPECT_EQ(stub->Classify(&context, ColourRequest(1, 2, 3), &response).error_code(),
              grpc::StatusCode::RESOURCE_EXHAUSTED);
    const auto& trailers = context.GetServerTrailingMetadata();
    const auto found = trailers.find("grpc-retry-pushback-ms");
    return found == trailers.end() ? "" : std::string(found->second.data(), found->second.size());
  }

  // The RPC refuses twenty requests.
  void ExpectThatOnlyFirstTriesCount(const std::function<void(bool retried)>& refuse) {
    refuse(/*retried=*/true);
    EXPECT_EQ(Pushback(), "10");
    refuse(/*retried=*/false);
    EXPECT_EQ(Pushback(), "-1");
  }

  std::vector<std::thread> waiting;
};

TEST_F(RetryTest, OfClassifyCountForNothing) {
  ExpectThatOnlyFirstTriesCount([this](bool retried) {
    for (int i = 0; i < 20; ++i) Pushback(retried);
  });
}

TEST_F(RetryTest, OfClassifyStreamCountForNothing) {
  ExpectThatOnlyFirstTriesCount([this](bool retried) {
    grpc::ClientContext context;
    Mark(context, retried);
    auto stream = stub->ClassifyStream(&context);
    v1::ClassifyStreamRequest message;
    *message.mutable_request() = ColourRequest(1, 2, 3);
    v1::ClassifyStreamResponse response;
    for (int i = 0; i < 20; ++i) {
      stream->Write(message);
      ASSERT_TRUE(stream->Read(&response));
      EXPECT_EQ(response.error().code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    }
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
  });
}

TEST_F(RetryTest, OfModelInferCountForNothing) {
  ExpectThatOnlyFirstTriesCount([this](bool retried) {
    for (int i = 0; i < 20; ++i) {
      grpc::ClientContext context;
      Mark(context, retried);
      EXPECT_EQ(
          oip->ModelInfer(&context, FileRequest({ColourFile(1, 2, 3)}), &response).error_code(),
          grpc::StatusCode::RESOURCE_EXHAUSTED);
    }
  });
}

TEST_F(RetryTest, OfModelStreamInferCountForNothing) {
  ExpectThatOnlyFirstTriesCount([this](bool retried) {
    grpc::ClientContext context;
    Mark(context, retried);
    auto stream = oip->ModelStreamInfer(&context);
    inference::ModelStreamInferResponse answer;
    for (int i = 0; i < 20; ++i) {
      stream->Write(FileRequest({ColourFile(1, 2, 3)}));
      ASSERT_TRUE(stream->Read(&answer));
      EXPECT_THAT(answer.error_message(), ::testing::HasSubstr("RESOURCE_EXHAUSTED"));
    }
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
  });
}

}  // namespace
}  // namespace patchserve
