#include "server/config/environment.h"

#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "server/config/flags.h"

namespace patchserve {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

// The flags are as before after each test.
class EnvironmentTest : public ::testing::Test {
 protected:
  static absl::Status Set(std::vector<const char*> environment) {
    environment.push_back(nullptr);
    return SetFlagsFromEnvironment(environment.data());
  }
  static std::string Error(std::vector<const char*> environment) {
    return std::string(Set(std::move(environment)).message());
  }

  absl::FlagSaver saver;
};

TEST_F(EnvironmentTest, AVariableSetsItsFlag) {
  ASSERT_TRUE(
      Set({"PATCHSERVE_MAX_BATCH=16", "PATCHSERVE_MODELS=/a,b=/c", "PATCHSERVE_DETERMINISTIC=true",
           "PATCHSERVE_LAME_DUCK=500ms", "PATCHSERVE_METRICS_ADDRESS="})
          .ok());
  EXPECT_EQ(absl::GetFlag(FLAGS_max_batch), 16);
  EXPECT_THAT(absl::GetFlag(FLAGS_models), ElementsAre("/a", "b=/c"));
  EXPECT_TRUE(absl::GetFlag(FLAGS_deterministic));
  EXPECT_EQ(absl::GetFlag(FLAGS_lame_duck), absl::Milliseconds(500));
  EXPECT_EQ(absl::GetFlag(FLAGS_metrics_address), "");
}

TEST_F(EnvironmentTest, AnUnknownNameIsAnErrorThatNamesTheNearestFlag) {
  EXPECT_THAT(Error({"PATCHSERVE_MAXBATCH=16"}),
              EndsWith("PATCHSERVE_MAXBATCH names no flag; the nearest is PATCHSERVE_MAX_BATCH"));
  EXPECT_THAT(Error({"PATCHSERVE_MODEL=/a"}), EndsWith("is PATCHSERVE_MODELS"));
  EXPECT_THAT(Error({"PATCHSERVE_runners=1"}), EndsWith("is PATCHSERVE_RUNNERS"));
  EXPECT_THAT(Error({"PATCHSERVE_GRPC_PORT=9000"}), HasSubstr("names no flag"));
  EXPECT_FALSE(Set({"PATCHSERVE_"}).ok());
}

TEST_F(EnvironmentTest, AbseilsOwnFlagsAreNotAmongThem) {
  EXPECT_FALSE(Set({"PATCHSERVE_FLAGFILE=/etc/passwd"}).ok());
}

TEST_F(EnvironmentTest, AValueThatTheFlagCannotHaveIsNamed) {
  EXPECT_THAT(Error({"PATCHSERVE_MAX_BATCH=many"}),
              AllOf(HasSubstr("PATCHSERVE_MAX_BATCH"), HasSubstr("many")));
  EXPECT_FALSE(Set({"PATCHSERVE_MAX_BATCH="}).ok());
}

TEST_F(EnvironmentTest, VariablesOfOthersAreLeftAlone) {
  EXPECT_TRUE(Set({"PATH=/bin", "MAX_BATCH=many", "PATCHSERVE", "XPATCHSERVE_NONE=1"}).ok());
  EXPECT_TRUE(Set({"PATCHSERVE_DEPS=/opt", "PATCHSERVE_CUDA=0"}).ok()) << "the build's";
  EXPECT_TRUE(
      Set({"PATCHSERVE_SERVICE_HOST=10.0.0.1", "PATCHSERVE_SERVICE_PORT=8001",
           "PATCHSERVE_SERVICE_PORT_GRPC=8001", "PATCHSERVE_PORT=tcp://10.0.0.1:8001",
           "PATCHSERVE_PORT_8001_TCP=tcp://10.0.0.1:8001", "PATCHSERVE_PORT_8001_TCP_PROTO=tcp",
           "PATCHSERVE_PORT_8001_TCP_PORT=8001", "PATCHSERVE_PORT_8001_TCP_ADDR=10.0.0.1",
           "PATCHSERVE_METRICS_SERVICE_HOST=10.0.0.2"})
          .ok())
      << "Kubernetes's, of services named patchserve and patchserve-metrics";
}

}  // namespace
}  // namespace patchserve
