#include "server/model/thread_team.h"

#include <ATen/Parallel.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "server/base/thread_pool.h"
#include "server/model/engine.h"
#include "server/model/kernels/attention.h"
#include "tests/model/pixels.h"
#include "tests/model/random_checkpoint.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

// Those whose names begin so, by number, but for those in `others`. Threads that are over may be
// listed for a moment, and so may those by which a team tries how many may start.
std::set<std::string> Threads(const std::string& name, const std::set<std::string>& others = {}) {
  std::set<std::string> threads;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    const std::string number = task.path().filename();
    std::string of_thread;
    std::getline(std::ifstream(task.path() / "comm"), of_thread);
    if (absl::StartsWith(of_thread, name) && !others.contains(number)) threads.insert(number);
  }
  return threads;
}

TEST(ThreadTeamTest, LibTorchUsesAllOfItsThreadsAndOneAfterADeterministicNetworkToo) {
  const auto team = ThreadTeam::Start(3);
  for (int i = 0; i < 2; ++i) {
    int threads = 0;
    team->Run([&] {
      threads = at::get_num_threads();
      UseIntraOpThreads(1);
    });
    EXPECT_EQ(threads, 3);
  }
}

TEST(ThreadTeamTest, NoThreadComesOrGoesWhileNetworksRun) {
  const TemporaryFolder folder;
  const std::set<std::string> others = Threads("all-cores");
  const auto team = ThreadTeam::Start(3);
  const std::set<std::string> of_team = Threads("all-cores", others);
  EXPECT_EQ(of_team.size(), 3);
  for (const char* name : {"vit_small_patch8_32", "convmixer_small"}) {
    ASSERT_TRUE(WriteRandomCheckpoint(folder.path(name), NamedCheckpoint(name).value(), 1).ok());
    for (const Precision precision : {Precision::kFloat32, Precision::kBFloat16}) {
      PrepareRunnerThread(1);
      const auto engine =
          Engine::Load(folder.path(name), {.device = "cpu", .precision = precision}).value();
      const std::vector<uint8_t> image = Pixels(0, engine->description().preprocessing.bytes());
      for (const int images : {1, 3, 8}) {
        const std::vector<ModelInput> batch(images, image.data());
        team->Run([] { UseIntraOpThreads(1); });  // as a deterministic network does
        team->Run([&] { EXPECT_TRUE(engine->Forward(batch, images, true).ok()); });
        EXPECT_EQ(Threads("all-cores", others), of_team) << name << " " << images;
      }
    }
  }
}

// A thread whose first parallel work is one of our kernels.
TEST(ThreadTeamTest, OurKernelsUseTheThreadsOfTheirCaller) {
  size_t helpers = 0;
  std::thread([&] {
    NameThread("of-kernels");  // and so are those that it starts
    static_cast<void>(at::get_num_threads());
    UseIntraOpThreads(3);
    const at::Tensor x = at::randn({1, 3, 4, 16});
    Attention(x, x, x);
    helpers = Threads("of-kernels").size() - 1;
  }).join();
  EXPECT_EQ(helpers, 2);
}

TEST(ThreadTeamTest, ThereIsNoneWhereTheProcessMayHaveNoMoreThreads) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto start_with_no_more_threads = [] {
    const rlimit none = {1, 1};
    setrlimit(RLIMIT_NPROC, &none);
    // The limit isn't root's. No look for leaks at the exit, which would start a thread.
    if (geteuid() == 0 && setuid(65534) != 0) _exit(0);
    _exit(ThreadTeam::Start(2) == nullptr ? 0 : 1);
  };
  EXPECT_EXIT(start_with_no_more_threads(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace patchserve
