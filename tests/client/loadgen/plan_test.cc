// What a load consists of: arrivals, the mix of models, photos, traffic.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "client/loadgen/arrivals.h"
#include "client/loadgen/model_mix.h"
#include "client/loadgen/photos.h"
#include "client/loadgen/traffic.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const absl::Duration ms = absl::Milliseconds(1);

std::vector<absl::Duration> Schedule(Arrivals arrivals, int count) {
  std::vector<absl::Duration> times(count);
  std::generate(times.begin(), times.end(), [&] { return arrivals.Next(); });
  return times;
}

TEST(ArrivalsTest, ConstantOnesHaveEqualGapsAndDoNotDrift) {
  EXPECT_THAT(Schedule({Spacing::kConstant, 50, 1}, 3), ElementsAre(20 * ms, 40 * ms, 60 * ms));
  EXPECT_EQ(Schedule({Spacing::kConstant, 3, 1}, 3'000'000).back(), absl::Seconds(1'000'000));
}

TEST(ArrivalsTest, PoissonOnesHaveTheRateAndExponentialGaps) {
  const auto times = Schedule({Spacing::kPoisson, 100, 7}, 100'000);
  EXPECT_NEAR(absl::ToDoubleSeconds(times.back()), 1000, 10);
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
  int long_gaps = 0;  // longer than the mean: 1/e of them
  for (size_t i = 1; i < times.size(); ++i) long_gaps += times[i] - times[i - 1] > 10 * ms;
  EXPECT_NEAR(long_gaps, 36'788, 500);
}

TEST(ArrivalsTest, ASeedGivesTheSameScheduleAgain) {
  EXPECT_EQ(Schedule({Spacing::kPoisson, 1, 5}, 9), Schedule({Spacing::kPoisson, 1, 5}, 9));
  EXPECT_NE(Schedule({Spacing::kPoisson, 1, 5}, 9), Schedule({Spacing::kPoisson, 1, 6}, 9));
}

std::map<std::string, int> Picks(absl::string_view mix) {
  std::mt19937_64 random(1);
  std::map<std::string, int> picks;
  for (int i = 0; i < 10'000; ++i) ++picks[ModelMix::Parse(mix)->Pick(random)];
  return picks;
}

TEST(ModelMixTest, ModelsArePickedByWeight) {
  auto picks = Picks("vit=3,convmixer");
  EXPECT_NEAR(picks["vit"], 7500, 150);
  EXPECT_EQ(picks["vit"] + picks["convmixer"], 10'000);
}

TEST(ModelMixTest, NoMixIsTheDefaultModel) {
  EXPECT_EQ(Picks(""), (std::map<std::string, int>{{"", 10'000}}));
}

TEST(ModelMixTest, AMixThatIsNoneIsRefused) {
  for (const char* wrong : {"vit=", "vit=0", "vit=-1", "vit=x", "vit=inf", "=1", "vit,", "a=1=2"}) {
    EXPECT_EQ(ModelMix::Parse(wrong).status().code(), absl::StatusCode::kInvalidArgument) << wrong;
  }
}

TEST(ReadPhotosTest, TheFirstPhotosThatFitAreRead) {
  TemporaryFolder folder;
  const std::vector<Input> inputs = {
      {folder.Write("a", "12")}, {folder.Write("b", "34")}, {folder.Write("c", "5")}};
  EXPECT_THAT(*ReadPhotos(inputs, 5), ElementsAre("12", "34", "5"));
  EXPECT_THAT(*ReadPhotos(inputs, 4), ElementsAre("12", "34"));
  EXPECT_EQ(ReadPhotos(inputs, 1).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ReadPhotosTest, AFileThatCannotBeReadIsNamed) {
  const absl::Status status = ReadPhotos(std::vector<Input>{{"nowhere.jpg"}}, 5).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("nowhere.jpg"));
}

TEST(TrafficTest, ConnectionsTakeTurnsAndEveryPhotoIsSent) {
  std::vector<int> connections;
  std::vector<std::string> photos;
  const auto connection = [&](int number) {
    return [&, number](std::string image, const ClassifyOptions& options, auto done) {
      connections.push_back(number);
      photos.push_back(image);
      EXPECT_EQ(options.model, "vit");
      EXPECT_TRUE(options.embedding);
      EXPECT_EQ(options.deadline, 5 * ms);
      std::move(done)(absl::UnavailableError("later"));
    };
  };
  Traffic traffic({connection(0), connection(1)}, {"a", "b"}, *ModelMix::Parse("vit"),
                  /*embedding=*/true, 1);
  for (int i = 0; i < 20; ++i) {
    traffic.Send(5 * ms,
                 [](absl::Status status) { EXPECT_EQ(status, absl::UnavailableError("later")); });
  }
  EXPECT_EQ(std::count(connections.begin(), connections.end(), 0), 10);
  EXPECT_THAT(photos, Contains("a"));
  EXPECT_THAT(photos, Contains("b"));
}

}  // namespace
}  // namespace patchserve
