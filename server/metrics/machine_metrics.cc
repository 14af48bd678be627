#include "server/metrics/machine_metrics.h"

#include <fstream>
#include <map>
#include <utility>

namespace patchserve {
namespace {

prometheus::MetricFamily Gauge(const char* name, const char* help, double value) {
  prometheus::ClientMetric metric;
  metric.gauge.value = value;
  return {name, help, prometheus::MetricType::Gauge, {metric}};
}

// Lines as "MemTotal:  1024 kB".
std::map<std::string, double> ReadBytes(const std::string& meminfo) {
  std::map<std::string, double> bytes;
  std::ifstream file(meminfo);
  std::string name, unit;
  for (double kilobytes = 0; file >> name >> kilobytes; std::getline(file, unit)) {
    bytes[name] = kilobytes * 1024;
  }
  return bytes;
}

}  // namespace

MachineMetrics::MachineMetrics(std::string proc) : proc_(std::move(proc)), before_(ReadCpuTime()) {}

MachineMetrics::CpuTime MachineMetrics::ReadCpuTime() const {
  // "cpu", then user, nice, system, idle, iowait, irq, softirq and steal; guests are in user and
  // nice.
  constexpr int kIdle = 3, kIoWait = 4, kFields = 8;
  std::ifstream file(proc_ + "/stat");
  std::string name;
  file >> name;
  CpuTime time;
  double ticks = 0;
  for (int field = 0; field < kFields && file >> ticks; ++field) {
    time.total += ticks;
    if (field == kIdle || field == kIoWait) time.idle += ticks;
  }
  return time;
}

std::vector<prometheus::MetricFamily> MachineMetrics::Collect() const {
  const CpuTime now = ReadCpuTime();
  double total = 0, idle = 0;
  {
    Lock lock(mutex_);
    total = now.total - before_.total;
    idle = now.idle - before_.idle;
    before_ = now;
  }
  std::map<std::string, double> memory = ReadBytes(proc_ + "/meminfo");
  const double all = memory["MemTotal:"];
  return {Gauge("nv_cpu_utilization", "CPU utilization since the scrape before, 0 to 1.",
                total > 0 ? 1 - idle / total : 0),
          Gauge("nv_cpu_memory_total_bytes", "Memory of the machine.", all),
          Gauge("nv_cpu_memory_used_bytes", "Memory of the machine that isn't available.",
                all - memory["MemAvailable:"])};
}

}  // namespace patchserve
