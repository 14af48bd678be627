#include "server/metrics/gpu_metrics.h"

#include <gmock/gmock.h>

#include <string>

#include "prometheus/text_serializer.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Text(const GpuMetrics& metrics) {
  return prometheus::TextSerializer().Serialize(metrics.Collect());
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
