#include "server/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace patchserve {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily Family(const char* name, const char* help, MetricType type, double value) {
  ClientMetric metric;
  if (type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return {name, help, type, {metric}};
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return t.tv_sec + t.tv_usec * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// When the process started, in seconds since 1970: proc(5), starttime of
// /proc/self/stat counts clock ticks since boot.
double StartTime() {
  std::string stat, boot;
  std::getline(std::ifstream("/proc/self/stat"), stat);
  size_t position = stat.rfind(')');
  if (position == std::string::npos) return 0;
  for (int field = 2; field < 22; ++field) position = stat.find(' ', position + 1);
  const double ticks = std::strtod(stat.c_str() + position, nullptr);
  std::ifstream kernel("/proc/stat");
  for (std::string word; kernel >> word;) {
    double value = 0;
    if (word == "btime" && kernel >> value) return value + ticks / sysconf(_SC_CLK_TCK);
  }
  return 0;
}

double OpenFileDescriptors() {
  std::error_code error;
  double count = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; it != end;
       it.increment(error)) {
    ++count;
  }
  return count;
}

double MaxFileDescriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

std::vector<MetricFamily> ProcessMetrics::Collect() const {
  double virtual_pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> virtual_pages >> resident_pages;
  const double page = sysconf(_SC_PAGESIZE);
  static const double start_time = StartTime();
  return {
      Family("process_cpu_seconds_total", "User and system CPU time spent.", MetricType::Counter,
             CpuSeconds()),
      Family("process_virtual_memory_bytes", "Virtual memory size.", MetricType::Gauge,
             virtual_pages * page),
      Family("process_resident_memory_bytes", "Resident memory size.", MetricType::Gauge,
             resident_pages * page),
      Family("process_open_fds", "Open file descriptors.", MetricType::Gauge,
             OpenFileDescriptors()),
      Family("process_max_fds", "Limit of open file descriptors.", MetricType::Gauge,
             MaxFileDescriptors()),
      Family("process_start_time_seconds", "Start of the process, in seconds since 1970.",
             MetricType::Gauge, start_time),
  };
}

}  // namespace patchserve
