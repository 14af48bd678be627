#include "server/base/quote.h"

#include <gtest/gtest.h>

namespace patchserve {
namespace {

TEST(QuoteTest, WhatCantBeSeenIsEscapedAndTheRestStays) {
  EXPECT_EQ(OneLine("no \"match\" for \x93\n2026 error fake\x1b[2J"),
            "no \"match\" for \\x93\\x0a2026 error fake\\x1b[2J");
}

}  // namespace
}  // namespace patchserve
