#include "client/progress.h"

#include <gtest/gtest.h>

#include <sstream>

namespace patchserve {
namespace {

const absl::Time t0 = absl::UnixEpoch();
const absl::Duration ms = absl::Milliseconds(1);

size_t UnknownColumns() { return 0; }

TEST(ProgressTest, SpeedAndRestFollowFromWhatIsDone) {
  EXPECT_EQ(ProgressLine(15, 60, absl::Seconds(5)),
            "[=======>                      ]  15/60  25 %  3.0/s  15s left");
}

TEST(ProgressTest, TheStartAndTheEndAreLinesToo) {
  EXPECT_EQ(ProgressLine(0, 3, absl::ZeroDuration()), "[>                             ]  0/3  0 %");
  EXPECT_EQ(ProgressLine(3, 3, absl::Seconds(2)),
            "[==============================]  3/3  100 %  1.5/s  0 left");
}

TEST(ProgressTest, ItIsDrawnAtMostTenTimesASecond) {
  std::ostringstream terminal;
  ProgressBar bar(50, terminal, UnknownColumns, t0);
  bar.Show(1, t0 + 10 * ms);
  const std::string first = terminal.str();
  bar.Show(2, t0 + 109 * ms);
  EXPECT_EQ(terminal.str(), first);
  bar.Show(3, t0 + 110 * ms);
  EXPECT_EQ(terminal.str(), first + "\r\x1b[K" + ProgressLine(3, 50, 110 * ms));
}

TEST(ProgressTest, ALineIsCutSoThatItDoesNotWrap) {
  std::ostringstream terminal;
  ProgressBar bar(
      50, terminal, [] { return size_t{20}; }, t0);
  bar.Show(0, t0);
  EXPECT_EQ(terminal.str(), ProgressLine(0, 50, absl::ZeroDuration()).substr(0, 19));
}

TEST(ProgressTest, WhatIsNotDrawnIsNotWiped) {
  std::ostringstream terminal;
  ProgressBar bar(50, terminal, UnknownColumns, t0);
  bar.Wipe();
  EXPECT_EQ(terminal.str(), "");
  bar.Show(1, t0);
  bar.Wipe();
  const std::string wiped = terminal.str();
  bar.Wipe();
  EXPECT_EQ(terminal.str(), wiped);
}

}  // namespace
}  // namespace patchserve
