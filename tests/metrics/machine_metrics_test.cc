#include "server/metrics/machine_metrics.h"

#include <gmock/gmock.h>

#include "prometheus/text_serializer.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;

std::string Text(const prometheus::Collectable& metrics) {
  return prometheus::TextSerializer().Serialize(metrics.Collect());
}

TEST(MachineMetricsTest, UtilizationIsThatSinceTheScrapeBefore) {
  const TemporaryFolder proc;
  proc.Write("stat", "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3 4\n");
  const MachineMetrics metrics(proc.path());
  proc.Write("stat", "cpu  150 0 125 750 125 0 0 50 90 0\n");  // 200 ticks, of which 75 idle
  EXPECT_THAT(Text(metrics), HasSubstr("\nnv_cpu_utilization 0.625\n"));
  EXPECT_THAT(Text(metrics), HasSubstr("\nnv_cpu_utilization 0\n"));  // no time has passed
}

TEST(MachineMetricsTest, MemoryThatIsNotAvailableIsUsed) {
  const TemporaryFolder proc;
  proc.Write("meminfo",
             "MemTotal:       4 kB\nMemFree:  1 kB\nMemAvailable:    3 kB\nHugePages: 0\n");
  const std::string text = Text(MachineMetrics(proc.path()));
  EXPECT_THAT(text, HasSubstr("\nnv_cpu_memory_total_bytes 4096\n"));
  EXPECT_THAT(text, HasSubstr("\nnv_cpu_memory_used_bytes 1024\n"));
}

}  // namespace
}  // namespace patchserve
