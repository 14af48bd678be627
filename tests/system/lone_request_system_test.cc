// Which threads run a request that is alone.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/usable_cores.h"
#include "tests/eventually.h"
#include "tests/model/random_checkpoint.h"
#include "tests/system/server_fixture.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

// A server with two runners and a model that takes some milliseconds.
class LoneRequestSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (UsableCores() < 2) GTEST_SKIP() << "one core";
    ASSERT_TRUE(
        WriteRandomCheckpoint(folder.path("m"), *NamedCheckpoint("vit_tiny_patch16_224"), 1).ok());
  }
  void Start(const std::string& variable, const std::string& flag) {
    server.emplace(std::vector<std::string>{"--models=" + folder.path("m"), "--runners=2",
                                            "--device=cpu", "--precision=float32", flag},
                   std::vector<std::string>{"/usr/bin/env", "-u", "OMP_WAIT_POLICY", "-u",
                                            "GOMP_SPINCOUNT", variable});
    ASSERT_TRUE(server->serving) << server->process.log();
  }
  void Classify() {
    v1::ClassifyResponse response;
    ASSERT_TRUE(server->Classify(EncodedRequest(TestImage("rgb.png")), &response).ok());
  }

  struct Team {
    int threads = 0;
    int64_t sleeps = 0;  // how often one of them went to sleep: each time that it had run
  };
  Team LookAtTeam() {
    Team team;
    const std::string tasks = absl::StrCat("/proc/", server->process.pid(), "/task");
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
      const std::string status = ReadFile(task.path() / "status");
      if (!absl::StartsWith(status, "Name:\tall-cores-")) continue;
      ++team.threads;
      std::istringstream lines(status);
      for (std::string line; std::getline(lines, line);) {
        absl::string_view count = line;
        int64_t sleeps = 0;
        if (absl::ConsumePrefix(&count, "voluntary_ctxt_switches:") &&
            absl::SimpleAtoi(count, &sleeps)) {
          team.sleeps += sleeps;
        }
      }
    }
    return team;
  }

  TemporaryFolder folder;
  std::optional<ServingProcess> server;
};

TEST_F(LoneRequestSystemTest, ATeamOfThreadsRunsIt) {
  for (const char* variable : {"OMP_WAIT_POLICY=PASSIVE", "GOMP_SPINCOUNT=1000"}) {
    Start(variable, "--log_level=info");
    const Team before = LookAtTeam();
    EXPECT_EQ(before.threads, 2) << variable;
    // The first ones, and those after a surprise, have one core.
    Eventually("a team that runs a request", [&] {
      Classify();
      return LookAtTeam().sleeps > before.sleeps;
    });
    EXPECT_EQ(LookAtTeam().threads, 2) << variable;
  }
}

TEST_F(LoneRequestSystemTest, ADeterministicModelHasOneThread) {
  Start("OMP_WAIT_POLICY=PASSIVE", "--deterministic");
  const Team before = LookAtTeam();
  for (int i = 0; i < 20; ++i) Classify();
  EXPECT_EQ(LookAtTeam().sleeps, before.sleeps);
}

TEST_F(LoneRequestSystemTest, ThereIsNoTeamWhereIdleThreadsWouldKeepTheirCores) {
  for (const char* variable : {"OMP_WAIT_POLICY=ACTIVE", "GOMP_SPINCOUNT=INFINITE"}) {
    Start(variable, "--log_level=info");
    EXPECT_EQ(LookAtTeam().threads, 0) << variable;
  }
}

}  // namespace
}  // namespace patchserve
