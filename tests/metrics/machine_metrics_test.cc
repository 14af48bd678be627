#include "server/metrics/machine_metrics.h"

#include <gmock/gmock.h>

#include "prometheus/text_serializer.h"
#include "server/metrics/gpu_metrics.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

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

TEST(GpuMetricsTest, EachGpuHasWhatItCanTell) {
  const GpuMetrics gpus(FAKE_NVML);
  const std::string text = Text(gpus);
  for (const char* expected :
       {"nv_gpu_utilization{gpu_uuid=\"A\"} 0.37", "nv_gpu_utilization{gpu_uuid=\"B\"} 0.37",
        "nv_gpu_power_usage{gpu_uuid=\"A\"} 71.5", "nv_gpu_power_limit{gpu_uuid=\"A\"} 700",
        "nv_gpu_memory_total_bytes{gpu_uuid=\"B\"} 1000",
        "nv_gpu_memory_used_bytes{gpu_uuid=\"B\"} 400",
        "nv_energy_consumption{gpu_uuid=\"A\"} 0"}) {
    EXPECT_THAT(text, HasSubstr(std::string("\n") + expected + "\n"));
  }
  EXPECT_THAT(text, Not(HasSubstr("power_usage{gpu_uuid=\"B\"")));
}

TEST(GpuMetricsTest, EnergyIsThatSinceTheFirstScrape) {
  const GpuMetrics gpus(FAKE_NVML);
  const std::string first = Text(gpus), second = Text(gpus);
  EXPECT_THAT(first, HasSubstr("nv_energy_consumption{gpu_uuid=\"A\"} 0\n"));
  EXPECT_THAT(second, Not(HasSubstr("nv_energy_consumption{gpu_uuid=\"A\"} 0\n")));
}

TEST(GpuMetricsTest, WithoutADriverThereAreNone) {
  EXPECT_EQ(Text(GpuMetrics("libnvidia-ml-of-no-driver.so.1")), "");
}

}  // namespace
}  // namespace patchserve
