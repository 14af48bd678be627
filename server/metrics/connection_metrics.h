// The connections of each port.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "server/base/mutex.h"
#include "server/net/acceptor.h"

namespace patchserve {

// Thread-safe.
class ConnectionMetrics : public prometheus::Collectable {
 public:
  void Show(const std::string& port, std::function<ConnectionCounts()> counts);
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  mutable Mutex mutex_;
  std::map<std::string, std::function<ConnectionCounts()>> ports_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace patchserve
