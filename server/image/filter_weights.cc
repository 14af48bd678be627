#include "server/image/filter_weights.h"

#include <algorithm>
#include <cmath>

namespace patchserve {
namespace {

struct Filter {
  double (*at)(double distance);
  double support;  // it is 0 beyond this distance
};

double Bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

// Bicubic convolution with a = -0.5. The order of operations is Pillow's: it
// decides the last bit.
double Bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

Filter FilterOf(Interpolation interpolation) {
  return interpolation == Interpolation::kBilinear ? Filter{Bilinear, 1.0} : Filter{Bicubic, 2.0};
}

int32_t ToFixedPoint(double weight) {
  return static_cast<int32_t>(weight * (1 << kWeightBits) + (weight < 0 ? -0.5 : 0.5));
}

}  // namespace

FilterWeights ComputeWeights(int in_size, int out_size, Interpolation interpolation, int from,
                             int outputs) {
  const Filter filter = FilterOf(interpolation);
  const double scale = static_cast<double>(in_size) / out_size;
  const double stretch = std::max(scale, 1.0);
  const double inverse_stretch = 1.0 / stretch;
  const double support = filter.support * stretch;

  FilterWeights result;
  result.taps = std::min(in_size, static_cast<int>(std::ceil(support)) * 2 + 1);
  result.first.reserve(outputs);
  result.counts.reserve(outputs);
  result.weights.resize(static_cast<size_t>(outputs) * result.taps);
  std::vector<double> row(result.taps);
  for (int i = 0; i < outputs; ++i) {
    const double center = (from + i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int count = std::min(in_size, static_cast<int>(center + support + 0.5)) - first;
    double sum = 0.0;
    for (int t = 0; t < count; ++t) {
      row[t] = filter.at((t + first - center + 0.5) * inverse_stretch);
      sum += row[t];
    }
    int32_t* const weights = &result.weights[static_cast<size_t>(i) * result.taps];
    for (int t = 0; t < count; ++t) {
      weights[t] = ToFixedPoint(sum != 0.0 ? row[t] / sum : row[t]);
    }
    result.first.push_back(first);
    result.counts.push_back(count);
  }
  return result;
}

}  // namespace patchserve
