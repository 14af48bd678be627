#include "server/pipeline/classify_all.h"

#include <future>

#include "server/base/bytes.h"
#include "server/base/retry_after.h"
#include "tests/pipeline/classifier_fixture.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;

class ClassifyAllTest : public ClassifierTest {
 protected:
  using Result = absl::StatusOr<std::vector<Answer>>;

  std::future<Result> Start(const std::vector<std::vector<uint8_t>>& colours) {
    std::vector<ClassifyRequest> images;
    for (const auto& pixels : colours) images.push_back(RequestFor(pixels));
    return Start(std::move(images));
  }

  std::future<Result> Start(std::vector<ClassifyRequest> images) {
    auto result = std::make_shared<std::promise<Result>>();
    ClassifyAll(*classifier, registry.Find("fake").value(), std::move(images),
                [result](Result answers) { result->set_value(std::move(answers)); });
    return result->get_future();
  }
};

TEST_F(ClassifyAllTest, AnswersAreInTheOrderOfTheImages) {
  ClassifierTest::Start();
  const std::vector<std::vector<uint8_t>> colours = {Colour(1, 0, 0), Colour(0, 1, 0),
                                                     Colour(0, 0, 1), Colour(0, 1, 0)};
  const Result answers = Start(colours).get();
  std::vector<int> classes;
  for (const Answer& answer : *answers) classes.push_back(answer.predictions[0].class_id);
  EXPECT_THAT(classes, ElementsAre(0, 1, 2, 1));
  EXPECT_TRUE(Shows(R"(patchserve_requests_total{code="OK",model="fake"} 1)"));
  EXPECT_TRUE(Shows(R"(patchserve_images_in_time_total{model="fake"} 4)"));
}

TEST_F(ClassifyAllTest, OneThatFailsDropsThoseThatWait) {
  ClassifierTest::Start();
  model.Hold();
  Classify();
  model.WaitUntilBusy(1);
  const std::vector<uint8_t> good = Colour(1, 2, 3);
  // A PNG without pixels: found when it is decoded.
  const absl::string_view damaged("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\2\0\0\0\2\x8\2\0\0\0", 29);
  std::vector<ClassifyRequest> images(4, RequestFor(good));
  images[2].image = AsBytes(damaged);
  const Result result = Start(std::move(images)).get();  // while the runner is still busy
  model.Release();
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StartsWith(result.status().message(), "image 2: "));
  answers.WaitFor(1);
  EXPECT_THAT(model.batch_sizes(), ElementsAre(1));
  EXPECT_TRUE(Shows(R"(patchserve_requests_total{code="INVALID_ARGUMENT",model="fake"} 1)"));
  EXPECT_TRUE(Shows(R"(patchserve_images_in_time_total{model="fake"} 1)"));  // Classify's
}

TEST_F(ClassifyAllTest, WhatNeverHasRoomIsInvalidAndNamesTheBudget) {
  options.max_decoding_bytes = 30;  // 27 of them for requests of default criticality
  ClassifierTest::Start();
  const std::vector<uint8_t> four_pixels = Colour(1, 2, 3);
  EXPECT_TRUE(Start({four_pixels, four_pixels}).get().ok());
  const absl::Status refused = Start({four_pixels, four_pixels, four_pixels}).get().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(
      std::string(refused.message()),
      ::testing::HasSubstr("the 3 images have 36 bytes while they are decoded, more than the 27 "));
}

TEST_F(ClassifyAllTest, TheBytesOfARequestAndOfItsModelInputCountAlike) {
  options.max_bytes_in_flight = 100;  // 90 of them; an image has 12, and makes an input of 12
  ClassifierTest::Start();
  const std::vector<uint8_t> image = Colour(1, 2, 3), tensor(48);
  EXPECT_TRUE(Start({image, image, image}).get().ok());
  const absl::Status refused = Start({image, image, image, image}).get().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RetryAfter(refused), std::nullopt);
  EXPECT_THAT(std::string(refused.message()),
              ::testing::HasSubstr("have 96 bytes, as sent, with the message around them, and as "
                                   "model input, more than the 90 "));
  std::vector<ClassifyRequest> tensors(2, RequestFor(image));
  for (ClassifyRequest& request : tensors) request.image = TensorImage{tensor};
  EXPECT_THAT(std::string(Start(std::move(tensors)).get().status().message()),
              ::testing::HasSubstr("have 192 bytes"));
}

TEST_F(ClassifyAllTest, TheTimesOfARequestAreThoseOfItsSlowestImage) {
  Answer decoded_long, waited_long;
  decoded_long.decode = absl::Milliseconds(3);
  decoded_long.queue = absl::Milliseconds(1);
  waited_long.decode = absl::Milliseconds(1);
  waited_long.queue = absl::Milliseconds(4);
  ModelMetrics& figures = metrics->Model("fake");
  const absl::Time arrival = absl::FromUnixSeconds(1);
  CountRequest(figures, absl::OkStatus(), std::vector<Answer>{decoded_long, waited_long}, arrival,
               arrival + absl::Milliseconds(6));
  const InferenceStatistics::Snapshot counted = figures.statistics().Get();
  EXPECT_EQ(counted.input.time, absl::Milliseconds(1));
  EXPECT_EQ(counted.queue.time, absl::Milliseconds(4));
}

TEST_F(ClassifyAllTest, IfOneIsRefusedNoneRuns) {
  ClassifierTest::Start([](ServedModel& served) { served.max_queue = 2; });
  const std::vector<uint8_t> good = Colour(1, 2, 3), bad = {1, 2, 3};
  const Result result = Start({good, good, bad, good}).get();
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StartsWith(result.status().message(), "image 2: "));
  EXPECT_TRUE(absl::IsResourceExhausted(Start({good, good, good, good}).get().status()));
  classifier->Stop();
  EXPECT_TRUE(model.batch_sizes().empty());
}

}  // namespace
}  // namespace patchserve
