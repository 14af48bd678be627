// Requests that are wrong, and models and devices that fail.

#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "server/base/bytes.h"
#include "tests/pipeline/classifier_fixture.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using FailureTest = ClassifierTest;

void ExpectError(const absl::StatusOr<Answer>& answer, absl::StatusCode code,
                 const std::string& text) {
  EXPECT_EQ(answer.status().code(), code);
  EXPECT_THAT(std::string(answer.status().message()), HasSubstr(text));
}

TEST_F(FailureTest, AnUnknownModelIsNotFoundAndTheOthersAreNamed) {
  Start();
  ClassifyRequest request = RequestFor(red);
  request.model = "nobody";
  ExpectError(ClassifyAndWait(request), absl::StatusCode::kNotFound, "there is fake, slow");
}

TEST_F(FailureTest, AModelThatIsLoadingIsUnavailable) {
  Start();
  ClassifyRequest request = RequestFor(red);
  request.model = "slow";
  ExpectError(ClassifyAndWait(request), absl::StatusCode::kUnavailable, "still loading");
  EXPECT_TRUE(Shows("patchserve_requests_total{code=\"UNAVAILABLE\",model=\"slow\"} 1"));
}

TEST_F(FailureTest, APinnedVersionMustBeTheModels) {
  Start();
  ClassifyRequest request = RequestFor(red);
  request.version = "ba9876543210";
  ExpectError(ClassifyAndWait(request), absl::StatusCode::kFailedPrecondition, "0123456789ab");
  request.version = "0123456789ab";
  EXPECT_TRUE(ClassifyAndWait(request).ok());
}

TEST_F(FailureTest, TopKBelowOneIsInvalid) {
  Start();
  for (int top_k : {0, -1, std::numeric_limits<int>::min()}) {
    ClassifyRequest request = RequestFor(red);
    request.top_k = top_k;
    ExpectError(ClassifyAndWait(request), absl::StatusCode::kInvalidArgument, "at least 1");
  }
}

TEST_F(FailureTest, ARequestWithoutAnImageIsInvalid) {
  Start();
  ExpectError(ClassifyAndWait({.arrival = SteadyNow()}), absl::StatusCode::kInvalidArgument,
              "no image");
}

TEST_F(FailureTest, BytesThatAreNoImageAreInvalid) {
  Start();
  const std::string text = "this is a text, not a photo";
  ClassifyRequest request{.arrival = SteadyNow()};
  request.image = AsBytes(text);
  EXPECT_EQ(ClassifyAndWait(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(FailureTest, RawPixelsOfTheWrongLengthAreInvalid) {
  Start();
  ClassifyRequest request = RequestFor(red);
  std::get<RawPixels>(request.image).width = 3;
  EXPECT_EQ(ClassifyAndWait(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(FailureTest, LogitsThatAreNotFiniteAreAnInternalError) {
  model.factor = std::numeric_limits<float>::quiet_NaN();
  Start();
  ExpectError(ClassifyAndWait(RequestFor(red)), absl::StatusCode::kInternal, "aren't finite");
}

TEST_F(FailureTest, WithoutAClassifierAnEmbeddingThatIsNotFiniteIsAnInternalError) {
  model.factor = std::numeric_limits<float>::quiet_NaN();
  model.classifies = false;
  Start();
  ClassifyRequest request = RequestFor(red);
  request.embedding = true;
  ExpectError(ClassifyAndWait(request), absl::StatusCode::kInternal, "isn't finite");
}

TEST_F(FailureTest, ATensorIsAnsweredWithWhatComesOutOfItAndItsBatchIsNotChanged) {
  Start();
  model.Hold();
  Classify();
  model.WaitUntilBusy(1);
  const std::vector<uint8_t> not_numbers(48, 0xff);
  ClassifyRequest tensor = RequestFor(red);
  tensor.image = TensorImage{not_numbers};
  Answers ones;
  classifier->Classify(tensor, ones.Next());
  Classify();
  model.Release();
  const auto answer = ones.WaitFor(1).front();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_TRUE(std::isnan(answer->predictions[0].probability));
  for (const auto& photo : answers.WaitFor(2)) EXPECT_EQ(photo->predictions[0].logit, 9);
}

class OutOfMemoryTest : public FailureTest {
 protected:
  // Eight requests wait for a model whose device has memory for so many images at once.
  void RunEight(int most) {
    // Each batch takes a millisecond, as was measured.
    auto ran = std::make_shared<std::atomic<int>>(0);
    options.now = [ran, start = SteadyNow()] {
      return start + ran->load() * absl::Milliseconds(1);
    };
    model.fail = [ran, most](int batch) {
      ++*ran;
      return batch > most ? absl::ResourceExhaustedError("CUDA out of memory") : absl::OkStatus();
    };
    Start();
    model.Hold();
    Classify();
    model.WaitUntilBusy(1);
    for (int i = 0; i < 8; ++i) Classify();
    WaitUntilQueued();
    model.Release();
    for (const auto& answer : answers.WaitFor(9)) EXPECT_TRUE(answer.ok()) << answer.status();
  }
};

TEST_F(OutOfMemoryTest, TheBatchIsHalvedOnceAndEverybodyIsAnswered) {
  RunEight(2);
  EXPECT_THAT(model.batch_sizes(), ElementsAre(1, 2, 4, 2, 2, 2));
}

TEST_F(OutOfMemoryTest, AHalfThatIsTooLargeIsHalvedAgain) {
  RunEight(1);
  EXPECT_THAT(model.batch_sizes(), ElementsAre(1, 2, 1, 1, 1, 1, 1, 1, 1, 1));
}

TEST_F(FailureTest, OutOfMemoryForOneImageIsReported) {
  model.fail = [](int) { return absl::ResourceExhaustedError("CUDA out of memory"); };
  Start();
  ExpectError(ClassifyAndWait(RequestFor(red)), absl::StatusCode::kResourceExhausted, "memory");
}

TEST_F(FailureTest, ALostDeviceIsReportedOnceAndItsBatchesAreUnavailable) {
  std::atomic<int> reports = 0;
  options.device_lost = [&](const absl::Status&) { ++reports; };
  model.fail = [](int) { return absl::UnavailableError("CUDA error: unspecified launch failure"); };
  Start();
  for (int i = 0; i < 3; ++i) {
    ExpectError(ClassifyAndWait(RequestFor(red)), absl::StatusCode::kUnavailable, "CUDA error");
  }
  EXPECT_EQ(reports, 1);
}

TEST_F(FailureTest, AnErrorOfTheModelFailsItsBatchAndTheNextOneRuns) {
  std::atomic<bool> broken = true;
  model.fail = [&](int) { return broken ? absl::InternalError("bad") : absl::OkStatus(); };
  Start();
  ExpectError(ClassifyAndWait(RequestFor(red)), absl::StatusCode::kInternal, "bad");
  broken = false;
  EXPECT_TRUE(ClassifyAndWait(RequestFor(red)).ok());
}

}  // namespace
}  // namespace patchserve
