// What a caller's gRPC library says of a call reaches the scheduler, whichever RPC it came by.
#include "server/rpc/caller.h"

#include <cstdint>
#include <string>
#include <thread>

#include "tests/rpc/infer_fixture.h"

namespace patchserve {
namespace {

TEST(CallerTest, ADeadlineIsAsFarAwayOnTheServersClock) {
  const absl::Time now = absl::FromUnixSeconds(100);
  const gpr_timespec deadline =
      gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_hours(1, GPR_TIMESPAN));
  EXPECT_GT(TimeOf(deadline, now), now + absl::Minutes(59));
  EXPECT_LE(TimeOf(deadline, now), now + absl::Hours(1));
}

TEST(CallerTest, ADeadlineInCenturiesIsNone) {
  // 2262 is where nanoseconds since 1970 end in 64 bits.
  for (const int64_t hours : {int64_t{2'069'000}, int64_t{2'562'047}, int64_t{99'999'999}}) {
    for (const gpr_clock_type clock : {GPR_CLOCK_MONOTONIC, GPR_CLOCK_REALTIME}) {
      const gpr_timespec deadline =
          gpr_time_add(gpr_now(clock), gpr_time_from_hours(hours, GPR_TIMESPAN));
      EXPECT_EQ(TimeOf(deadline), absl::InfiniteFuture()) << hours;
    }
  }
  EXPECT_EQ(TimeOf(gpr_inf_future(GPR_CLOCK_MONOTONIC)), absl::InfiniteFuture());
}

TEST(CallerTest, ADeadlineThatHasPassedIsInThePast) {
  EXPECT_LT(TimeOf(gpr_time_0(GPR_CLOCK_REALTIME)), SteadyNow());
}

// One request runs and one waits, as many as may; time stands still. So each first try that is
// refused seems to come a nanosecond after the one before: that is overload, and retries should
// come later. Retries themselves count for nothing.
class RetryTest : public InferTest {
 protected:
  void SetUp() override {
    options.now = [now = SteadyNow()] { return now; };
    InferTest::SetUp();
    const std::shared_ptr<ServedModel> full = model.Served("fake");
    full->max_queue = 1;
    full->measured = {{1, absl::Milliseconds(1)}};
    classifier->Schedule(full);
    registry.SetReady(full);
    model.Hold();
    waiting.emplace_back([this] { Answered(); });
    model.WaitUntilBusy(1);
    waiting.emplace_back([this] { Answered(); });
    WaitUntilShows("patchserve_queue_depth{model=\"fake\"} 1");
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
    EXPECT_GT(std::stoi(Pushback()), 20);
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
