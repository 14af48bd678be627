// A driver with two GPUs. The second can't tell its power and its energy, as some can't.

extern "C" {

struct Utilization {
  unsigned gpu, memory;
};
struct Memory {
  unsigned long long total, free, used;
};

constexpr int kSuccess = 0, kNotSupported = 3;
static char devices[2];

int nvmlInit_v2() { return kSuccess; }
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 2;
  return kSuccess;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, char** device) {
  *device = &devices[index];
  return kSuccess;
}
int nvmlDeviceGetUUID(char* device, char* uuid, unsigned) {
  uuid[0] = device == &devices[0] ? 'A' : 'B';
  return kSuccess;
}
int nvmlDeviceGetUtilizationRates(char*, Utilization* rates) {
  *rates = {37, 5};
  return kSuccess;
}
int nvmlDeviceGetMemoryInfo(char*, Memory* memory) {
  *memory = {1000, 600, 400};
  return kSuccess;
}
int nvmlDeviceGetPowerUsage(char* device, unsigned* milliwatts) {
  *milliwatts = 71500;
  return device == &devices[0] ? kSuccess : kNotSupported;
}
int nvmlDeviceGetEnforcedPowerLimit(char* device, unsigned* milliwatts) {
  *milliwatts = 700000;
  return device == &devices[0] ? kSuccess : kNotSupported;
}
int nvmlDeviceGetTotalEnergyConsumption(char* device, unsigned long long* millijoules) {
  static unsigned long long used = 5'000'000;
  *millijoules = used += 2500;
  return device == &devices[0] ? kSuccess : kNotSupported;
}
}
