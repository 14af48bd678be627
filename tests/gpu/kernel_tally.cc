#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>

#include "tests/gpu/kernel_check.h"

namespace patchserve::cuda {
namespace {

constexpr int kRounds = 5;

// Events don't exist on a CPU, where a test looks at the figures' form alone.
double MicrosecondsOnCpu(int launches, absl::FunctionRef<void(int)> launch) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < launches; ++i) launch(i);
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  return took.count() / launches;
}

}  // namespace

Stream StreamOf(const at::Device& device) {
  if (device.is_cpu()) return nullptr;
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device).native_handle();
}

double Microseconds(const at::Device& device, int launches, absl::FunctionRef<void(int)> launch) {
  if (device.is_cpu()) return MicrosecondsOnCpu(launches, launch);
  const c10::Stream stream = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  double least = std::numeric_limits<double>::infinity();
  for (int round = 0; round < kRounds; ++round) {
    c10::Event begin(device.type(), c10::EventFlag::BACKEND_DEFAULT);
    c10::Event end(device.type(), c10::EventFlag::BACKEND_DEFAULT);
    begin.record(stream);
    for (int i = 0; i < launches; ++i) launch(i);
    end.record(stream);
    end.synchronize();
    least = std::min(least, begin.elapsedTime(end) * 1e3 / launches);
  }
  return least;
}

bool Tally::Started(const std::string& what, int error) {
  if (error == 0) return true;
  Expect(what, false, kernels_.error_text(error));
  return false;
}

void Tally::Compare(const std::string& what, const at::Tensor& got, const at::Tensor& exact,
                    double rounding, double sums) {
  const at::Tensor sizes = exact.abs();
  const at::Tensor errors = (got.to(exact.scalar_type()) - exact).abs();
  const double over = (errors - sizes * rounding).max().item<double>();
  const double error = errors.max().item<double>() / std::max(sizes.max().item<double>(), 1e-30);
  if (!(error <= largest_error_)) largest_error_ = error;
  // A comparison with NaN is false.
  Expect(what, over <= sums, std::to_string(over) + " beyond rounding");
}

void Tally::Expect(const std::string& what, bool right, const std::string& why) {
  ++checked_;
  if (right) return;
  constexpr int kMostSaid = 20;
  if (++wrong_ <= kMostSaid) std::fprintf(stderr, "FAILED: %s: %s\n", what.c_str(), why.c_str());
}

int Tally::Print(const std::string& kernel, const std::string& more) const {
  // JSON has no NaN.
  const double error = std::isnan(largest_error_) ? 1e30 : largest_error_;
  std::printf("{\"kernel\": \"%s\"%s, \"checked\": %d, \"wrong\": %d, \"largest_error\": %.2e}\n",
              kernel.c_str(), more.c_str(), checked_, wrong_, error);
  return wrong_;
}

}  // namespace patchserve::cuda
