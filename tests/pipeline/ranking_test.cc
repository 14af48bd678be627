#include "server/pipeline/ranking.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <vector>

namespace patchserve {
namespace {

std::vector<int> Ids(const std::vector<Prediction>& predictions) {
  std::vector<int> ids;
  for (const Prediction& prediction : predictions) ids.push_back(prediction.class_id);
  return ids;
}

TEST(RankingTest, TheLargestLogitsComeFirst) {
  const std::vector<float> logits = {1, 3, 2};
  EXPECT_THAT(Ids(Rank(logits, 2)), ::testing::ElementsAre(1, 2));
}

TEST(RankingTest, EqualLogitsAreInTheOrderOfTheirClassIds) {
  const std::vector<float> logits = {0, 5, 5, 5};
  EXPECT_THAT(Ids(Rank(logits, 4)), ::testing::ElementsAre(1, 2, 3, 0));
}

TEST(RankingTest, ProbabilitiesAreTheSoftmaxOverAllClasses) {
  const std::vector<float> logits = {0, std::log(3.0f), std::log(4.0f)};
  const auto ranked = Rank(logits, 2);
  EXPECT_NEAR(ranked[0].probability, 0.5, 1e-6);
  EXPECT_NEAR(ranked[1].probability, 0.375, 1e-6);
}

TEST(RankingTest, HugeLogitsDoNotOverflow) {
  const std::vector<float> logits = {3e38f, -3e38f};
  const auto ranked = Rank(logits, 2);
  EXPECT_EQ(ranked[0].probability, 1);
  EXPECT_EQ(ranked[1].probability, 0);
}

TEST(RankingTest, LogitsThatAreNotNumbersComeLastAndMakeAllProbabilitiesSo) {
  const float nan = std::nanf("");
  const std::vector<float> logits = {nan, 1, nan, 3, -std::numeric_limits<float>::infinity(), nan};
  const auto ranked = Rank(logits, 6);
  EXPECT_THAT(Ids(ranked), ::testing::ElementsAre(3, 1, 0, 2, 4, 5));
  for (const Prediction& prediction : ranked) EXPECT_TRUE(std::isnan(prediction.probability));
}

}  // namespace
}  // namespace patchserve
