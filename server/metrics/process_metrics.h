// CPU, memory and file descriptors of this process, under the names that every
// Prometheus client library uses (prometheus-cpp has no such collector).
#pragma once

#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace patchserve {

class ProcessMetrics : public prometheus::Collectable {
 public:
  // Reads /proc/self; thread-safe.
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace patchserve
