#include "server/rpc/open_calls.h"

#include <gtest/gtest.h>

#include <latch>
#include <thread>

namespace patchserve {
namespace {

class FakeStream : public OpenStream {
 public:
  void Drain() override { drained = true; }
  bool drained = false;
};

TEST(OpenCallsTest, AShutdownWaitsForCallsThatCameBeforeIt) {
  OpenCalls calls;
  ASSERT_TRUE(calls.Opened());
  calls.DrainStreams();
  EXPECT_FALSE(calls.WaitUntilNone(absl::ZeroDuration()));
  calls.Closed();
  EXPECT_TRUE(calls.WaitUntilNone(absl::InfiniteDuration()));
}

TEST(OpenCallsTest, AnInfiniteTimeoutWaitsForTheLastCall) {
  for (const absl::Duration forever : {absl::InfiniteDuration(), 300 * 365 * absl::Hours(24)}) {
    OpenCalls calls;
    ASSERT_TRUE(calls.Opened());
    std::latch waiting(1);
    std::thread last([&] {
      waiting.wait();
      calls.Closed();
    });
    waiting.count_down();
    EXPECT_TRUE(calls.WaitUntilNone(forever)) << forever;
    last.join();
  }
}

// Else callers that come back as soon as they are refused would hold it up.
TEST(OpenCallsTest, AShutdownDoesntWaitForCallsAndStreamsThatComeDuringIt) {
  OpenCalls calls;
  FakeStream stream;
  calls.DrainStreams();
  EXPECT_FALSE(calls.Opened());
  calls.Opened(&stream);
  EXPECT_TRUE(stream.drained);
  EXPECT_TRUE(calls.WaitUntilNone(absl::ZeroDuration()));
  calls.Closed(&stream);
  EXPECT_TRUE(calls.WaitUntilNone(absl::ZeroDuration()));
}

}  // namespace
}  // namespace patchserve
