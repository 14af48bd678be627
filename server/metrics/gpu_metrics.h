// The GPUs under Triton's names (docs/user_guide/metrics.md of triton-inference-server/server).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace patchserve {

class Nvml;

// nv_gpu_utilization, nv_gpu_power_usage, nv_gpu_power_limit, nv_gpu_memory_total_bytes,
// nv_gpu_memory_used_bytes and nv_energy_consumption (since the first scrape) by gpu_uuid, of every
// GPU that the driver shows. What a GPU can't tell is left out. Thread-safe.
class GpuMetrics : public prometheus::Collectable {
 public:
  // `library`: the driver's NVML, opened at the first scrape; where it is missing there are no
  // GPUs.
  explicit GpuMetrics(std::string library = "libnvidia-ml.so.1");
  ~GpuMetrics() override;
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::unique_ptr<Nvml> nvml_;
};

}  // namespace patchserve
