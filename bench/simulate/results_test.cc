// Cells over several seeds, and the file of what came out.

#include "bench/simulate/results.h"

#include <gmock/gmock.h>

#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bench/simulate/cells.h"
#include "bench/simulate/fifo_policy.h"

namespace patchserve::simulate {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

Figures InTime(int64_t in_time) {
  Figures figures;
  figures.sent = 100;
  figures.by_model = {in_time};
  figures.seconds = 2;
  return figures;
}

Row RowOf(const std::string& policy, const std::vector<int64_t>& in_time) {
  Row row{policy, "", {}};
  for (int64_t count : in_time) row.seeds.push_back(InTime(count));
  return row;
}

TEST(OutcomeTest, TheBestPeerIsThatOfAllSeedsTogether) {
  const Outcome outcome{
      RowOf("ours", {45, 66}), {RowOf("lucky once", {90, 10}), RowOf("steady", {50, 60})}, {}};
  EXPECT_EQ(outcome.best().policy, "steady");
  EXPECT_DOUBLE_EQ(outcome.ratio(), 111.0 / 110);
  EXPECT_THAT(outcome.ratios(), ElementsAre(0.9, 1.1));
}

TEST(ResultsTest, WhatWasWrittenIsRead) {
  Outcome outcome{RowOf("ours", {45, 66}), {RowOf("peer", {50, 60})}, {80, 90}};
  outcome.peers[0].options = "delay 0.5 max 8";
  outcome.peers[0].seeds[1].by_model = {40, 20};
  outcome.peers[0].seeds[1].refused = 7;
  std::stringstream csv;
  WriteHeader(csv);
  WriteOutcome(csv, {"gpu", "poisson", 1.5, 0.95}, outcome);
  WriteOutcome(csv, {"gpu", "poisson", 2, 0.95}, outcome);

  const auto read = ReadOutcomes(csv);
  ASSERT_THAT(read, SizeIs(2));
  const Outcome& first = read.at({"gpu", "poisson", 1.5, 0.95});
  EXPECT_EQ(first.ratio(), outcome.ratio());
  EXPECT_EQ(first.bounds, outcome.bounds);
  EXPECT_EQ(first.ours.seeds[0].sent, 100);
  ASSERT_THAT(first.peers, SizeIs(1));
  EXPECT_EQ(first.peers[0].options, "delay 0.5 max 8");
  EXPECT_THAT(first.peers[0].seeds[1].by_model, ElementsAre(40, 20));
  EXPECT_EQ(first.peers[0].admitted(), 193);
}

TEST(ResultsTest, AFileOfAnotherFormIsRefused) {
  std::istringstream other("curve,traffic\ngpu,poisson\n");
  EXPECT_THROW(ReadOutcomes(other), std::runtime_error);
}

TEST(CellRunsTest, EachSeedIsOtherTrafficButTheSameForAllPolicies) {
  const CellRuns runs(Cells("gpu/poisson").front());
  const Row greedy = runs.Run("greedy", "", Fifo({})),
            one = runs.Run("one", "", Fifo({.largest = 1}));
  ASSERT_THAT(greedy.seeds, SizeIs(kSeeds));
  EXPECT_NE(greedy.seeds[0].sent, greedy.seeds[1].sent);
  for (int seed = 0; seed < kSeeds; ++seed) {
    EXPECT_EQ(greedy.seeds[seed].sent, one.seeds[seed].sent);
  }
  EXPECT_NE(greedy.in_time(), one.in_time());
}

TEST(CellsTest, TheCellsOfAllGroupsAreTheOnesThatAreCounted) {
  std::map<std::string, int> cells;
  for (const Cell& cell : Cells()) ++cells[cell.curve->group];
  EXPECT_THAT(cells, ElementsAre(std::pair("H100", 1080), std::pair("cpu and gpu", 720),
                                 std::pair("fixed cost", 180)));
}

TEST(CurvesTest, ALargerBatchTakesNoLessTimeAndPaddingOnlyAdds) {
  for (const Curve& curve : Curves()) {
    const CostCurve& cost = curve.device.models.front();
    for (int size = 1; size < cost.max_batch; ++size) {
      EXPECT_LE(cost.seconds(size), cost.seconds(size + 1)) << curve.name << " " << size;
      if (!cost.exact) continue;
      EXPECT_LE(cost.exact(size), cost.seconds(size)) << curve.name << " " << size;
    }
  }
}

}  // namespace
}  // namespace patchserve::simulate
