#include "server/net/port_watch.h"

#include <gmock/gmock.h>

#include <latch>
#include <vector>

namespace patchserve {
namespace {

using ::testing::ElementsAre;

// What is said when the port answers so, one after the other.
std::vector<bool> Changes(const std::vector<bool>& answers) {
  std::vector<bool> changes;
  std::latch all_asked(1);
  size_t asked = 0;
  PortWatch watch(
      absl::ZeroDuration(),
      [&] {
        if (asked < answers.size()) return static_cast<bool>(answers[asked++]);
        if (asked++ == answers.size()) all_asked.count_down();
        return static_cast<bool>(answers.back());
      },
      [&](bool alive) { changes.push_back(alive); });
  all_asked.wait();
  watch.Stop();
  return changes;
}

TEST(PortWatchTest, AThirdFailureInARowIsTold) {
  EXPECT_THAT(Changes({true, false, false, false}), ElementsAre(false));
}

TEST(PortWatchTest, TwoFailuresAreNot) {
  EXPECT_THAT(Changes({false, false, true, false, false, true}), ElementsAre());
}

TEST(PortWatchTest, AnAnswerAfterThatIsToldOnce) {
  EXPECT_THAT(Changes({false, false, false, false, true, true}), ElementsAre(false, true));
}

}  // namespace
}  // namespace patchserve
