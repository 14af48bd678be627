// The connections of each port.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "server/net/acceptor.h"

namespace patchserve {

// Thread-safe.
class ConnectionMetrics : public prometheus::Collectable {
 public:
  void Show(const std::string& port, std::function<ConnectionCounts()> counts);
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::function<ConnectionCounts()>> ports_;  // guarded by mutex_
};

}  // namespace patchserve
