#include "server/metrics/gpu_metrics.h"

#include <dlfcn.h>

#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "server/base/mutex.h"

namespace patchserve {

// NVIDIA's management library, as its reference declares it (docs.nvidia.com/deploy/nvml-api): the
// driver has it, so it isn't linked.
class Nvml {
 public:
  using Device = struct nvmlDevice_st*;
  struct Utilization {
    unsigned gpu, memory;  // percent
  };
  struct Memory {
    unsigned long long total, free, used;  // bytes
  };

  explicit Nvml(std::string library) : library_(std::move(library)) {}
  // It stays open, as CUDA's libraries do: unloading it at exit is a race with their threads.
  ~Nvml() = default;

  // The GPUs by UUID. Opens the library at the first call.
  const std::map<std::string, Device>& devices() {
    std::call_once(opened_, [this] { Open(); });
    return devices_;
  }

  // One figure of a GPU, asked for by the function of that name; nothing: it can't tell.
  template <typename T>
  std::optional<T> Ask(const char* function, Device device) const {
    T value{};
    const auto ask = Function<Device, T*>(function);
    if (ask == nullptr || ask(device, &value) != kSuccess) return std::nullopt;
    return value;
  }

  // Millijoules since the first call for the GPU.
  std::optional<double> Energy(Device device) {
    const auto since_driver =
        Ask<unsigned long long>("nvmlDeviceGetTotalEnergyConsumption", device);
    if (!since_driver) return std::nullopt;
    Lock lock(mutex_);
    return *since_driver - first_energy_.emplace(device, *since_driver).first->second;
  }

 private:
  static constexpr int kSuccess = 0;
  static constexpr unsigned kUuidLength = 96;

  template <typename... Arguments>
  auto Function(const char* name) const {
    return reinterpret_cast<int (*)(Arguments...)>(dlsym(handle_, name));
  }

  void Open() {
    handle_ = dlopen(library_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) return;
    const auto init = Function<>("nvmlInit_v2");
    const auto count_of = Function<unsigned*>("nvmlDeviceGetCount_v2");
    const auto device_at = Function<unsigned, Device*>("nvmlDeviceGetHandleByIndex_v2");
    const auto uuid_of = Function<Device, char*, unsigned>("nvmlDeviceGetUUID");
    if (init == nullptr || count_of == nullptr || device_at == nullptr || uuid_of == nullptr)
      return;
    unsigned count = 0;
    if (init() != kSuccess || count_of(&count) != kSuccess) return;
    for (unsigned i = 0; i < count; ++i) {
      Device device = nullptr;
      std::array<char, kUuidLength> uuid{};
      if (device_at(i, &device) != kSuccess) continue;
      if (uuid_of(device, uuid.data(), uuid.size()) == kSuccess) devices_[uuid.data()] = device;
    }
  }

  const std::string library_;
  std::once_flag opened_;
  void* handle_ = nullptr;  // set once, as the next
  std::map<std::string, Device> devices_;
  Mutex mutex_;
  std::map<Device, unsigned long long> first_energy_ ABSL_GUARDED_BY(mutex_);
};

GpuMetrics::GpuMetrics(std::string library) : nvml_(std::make_unique<Nvml>(std::move(library))) {}

GpuMetrics::~GpuMetrics() = default;

std::vector<prometheus::MetricFamily> GpuMetrics::Collect() const {
  using prometheus::MetricFamily;
  using prometheus::MetricType;
  MetricFamily utilization{"nv_gpu_utilization", "GPU utilization, 0 to 1.", MetricType::Gauge};
  MetricFamily power{"nv_gpu_power_usage", "Power that the GPU draws, in watts.",
                     MetricType::Gauge};
  MetricFamily limit{"nv_gpu_power_limit", "Power that the GPU may draw, in watts.",
                     MetricType::Gauge};
  MetricFamily total{"nv_gpu_memory_total_bytes", "Memory of the GPU.", MetricType::Gauge};
  MetricFamily used{"nv_gpu_memory_used_bytes", "Memory of the GPU that is in use.",
                    MetricType::Gauge};
  MetricFamily energy{"nv_energy_consumption", "Energy since the first scrape, in joules.",
                      MetricType::Counter};
  for (const auto& [uuid, device] : nvml_->devices()) {
    auto add = [&uuid = uuid](MetricFamily& family, double value) {
      prometheus::ClientMetric metric;
      metric.label = {{"gpu_uuid", uuid}};
      (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
      family.metric.push_back(std::move(metric));
    };
    if (const auto rates = nvml_->Ask<Nvml::Utilization>("nvmlDeviceGetUtilizationRates", device)) {
      add(utilization, rates->gpu / 100.0);
    }
    if (const auto mw = nvml_->Ask<unsigned>("nvmlDeviceGetPowerUsage", device)) {
      add(power, *mw / 1000.0);
    }
    if (const auto mw = nvml_->Ask<unsigned>("nvmlDeviceGetEnforcedPowerLimit", device)) {
      add(limit, *mw / 1000.0);
    }
    if (const auto memory = nvml_->Ask<Nvml::Memory>("nvmlDeviceGetMemoryInfo", device)) {
      add(total, static_cast<double>(memory->total));
      add(used, static_cast<double>(memory->used));
    }
    if (const auto mj = nvml_->Energy(device)) add(energy, *mj / 1000.0);
  }
  std::vector<MetricFamily> families;
  for (MetricFamily* family : {&utilization, &power, &limit, &total, &used, &energy}) {
    if (!family->metric.empty()) families.push_back(std::move(*family));
  }
  return families;
}

}  // namespace patchserve
