// The machine's CPUs and memory under Triton's names (docs/user_guide/metrics.md of
// triton-inference-server/server).
#pragma once

#include <string>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "server/base/mutex.h"

namespace patchserve {

// nv_cpu_utilization, 0 to 1, of all cores since the scrape before; nv_cpu_memory_total_bytes and
// _used_bytes. Of the whole machine, as Triton's, not of a container. Thread-safe.
class MachineMetrics : public prometheus::Collectable {
 public:
  // `proc`: the folder of stat and meminfo, proc(5).
  explicit MachineMetrics(std::string proc = "/proc");
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  struct CpuTime {
    double idle = 0, total = 0;  // ticks since boot
  };
  CpuTime ReadCpuTime() const;

  const std::string proc_;
  mutable Mutex mutex_;
  mutable CpuTime before_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace patchserve
