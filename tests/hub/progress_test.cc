#include "server/hub/progress.h"

#include <vector>

#include "gmock/gmock.h"

namespace patchserve {
namespace {

using testing::ElementsAre;

class ProgressTest : public testing::Test {
 protected:
  Progress Of(int64_t size) {
    return Progress(
        "file", size, start_, [this](const std::string& text) { told_.push_back(text); },
        [this](const std::string& text) { logged_.push_back(text); });
  }
  const absl::Time start_ = absl::UnixEpoch();
  std::vector<std::string> told_, logged_;
};

TEST_F(ProgressTest, SaysSizeShareAndRate) {
  Progress progress = Of(200'000'000);
  progress.Update(0, start_);
  progress.Update(50'000'000, start_ + absl::Seconds(5));
  EXPECT_EQ(told_.back(), "fetching file: 50.0 of 200.0 MB (25 %), 10.0 MB/s");
}

TEST_F(ProgressTest, IsToldTwiceASecondAndLoggedEveryTenAndAtTheEnd) {
  Progress progress = Of(3000);
  for (int i = 0; i <= 3000; ++i) progress.Update(i, start_ + absl::Milliseconds(10 * i));
  EXPECT_EQ(told_.size(), 61);  // in 30 seconds
  EXPECT_EQ(logged_.size(), 3);
  EXPECT_THAT(logged_.back(), testing::HasSubstr("(100 %)"));
}

TEST_F(ProgressTest, WhatWasThereDoesntCountForTheRate) {
  Progress progress = Of(200'000'000);
  progress.Update(100'000'000, start_);
  progress.Update(101'000'000, start_ + absl::Seconds(1));
  EXPECT_EQ(told_.back(), "fetching file: 101.0 of 200.0 MB (50 %), 1.0 MB/s");
}

}  // namespace
}  // namespace patchserve
