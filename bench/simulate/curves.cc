#include "bench/simulate/curves.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace patchserve::simulate {
namespace {

// Milliseconds by images in the batch.
using Table = std::map<int, double>;

// One NVIDIA H100 80GB HBM3, bfloat16, images of 224x224, random weights, torch
// 2.11.0+cu130, 2026-11-27.
//
// Eager: a batch on a runner of the server (copy to the GPU, network, answers back), the
// least of 8 runs. Graph: fused kernels in a CUDA graph, images already on the GPU.
// First use: the median of the first runs of eight sizes on two runners.
struct H100 {
  std::string name;
  Table eager_ms, graph_ms;
  double first_use_ms;
};

const std::vector<H100>& Measured() {
  static const auto* const measured = new std::vector<H100>{
      {"h100-vit_tiny",
       {{1, 2.73}, {2, 2.16}, {4, 2.23}, {8, 2.4}, {16, 2.69}, {32, 2.99}, {64, 4.36}, {128, 7.2}},
       {{1, 0.439}, {8, 0.578}, {32, 1.067}, {64, 1.544}, {128, 2.701}},
       106},
      {"h100-vit_base",
       {{1, 3.24},
        {2, 2.54},
        {4, 3.76},
        {8, 3.66},
        {16, 3.81},
        {32, 4.73},
        {64, 8.36},
        {128, 15.91}},
       {{1, 0.633}, {8, 1.16}, {32, 3.123}, {64, 5.779}, {128, 10.775}},
       145},
      {"h100-convmixer",
       {{1, 3.16},
        {2, 4.31},
        {4, 5.24},
        {8, 5.87},
        {16, 10.73},
        {32, 22.45},
        {64, 43.4},
        {128, 84.58}},
       {{1, 0.455}, {8, 1.161}, {32, 4.099}, {64, 7.743}, {128, 14.99}},
       295}};
  return *measured;
}

// Straight lines between what was measured.
double Between(const Table& table, int size) {
  const auto above = table.lower_bound(size);
  if (above->first == size) return above->second;
  const auto below = std::prev(above);
  const double share = static_cast<double>(size - below->first) / (above->first - below->first);
  return below->second + share * (above->second - below->second);
}

CostCurve Bucketed(Table table, double first_use_ms) {
  const std::vector<int> sizes = {1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128};
  // A batch of one was measured to take longer than one of two: by chance.
  for (auto it = std::next(table.rbegin()); it != table.rend(); ++it) {
    it->second = std::min(it->second, std::prev(it)->second);
  }
  std::vector<double> seconds(1);  // by images, padded
  for (int size : sizes) seconds.resize(size + 1, 1e-3 * Between(table, size));
  return {.seconds = [seconds](int size) { return seconds[size]; },
          .max_batch = sizes.back(),
          .warmed = sizes,
          .exact = [table](int size) { return 1e-3 * Between(table, size); },
          .first_use = 1e-3 * first_use_ms};
}

Curve OnH100(const std::string& name, const Table& ms, double first_use_ms) {
  return {name, "H100", {.models = {Bucketed(ms, first_use_ms)}, .runners = 2, .shared = true}};
}

}  // namespace

const std::vector<Curve>& Curves() {
  static const auto* const curves = [] {
    const auto vit = [](int size) { return 0.0033 + 0.0348 * size; };
    const auto convmixer = [](int size) { return 0.0004 + 0.0011 * size; };
    const auto gpu = [](int size) { return 0.010 * std::max(1.0, size / 16.0); };
    const auto fixed = [](int size) { return 0.008 + 0.002 * size; };
    auto* all = new std::vector<Curve>{
        {"cpu-vit", "cpu and gpu", {.models = {{vit, 8}}, .runners = 2}},
        {"cpu-convmixer", "cpu and gpu", {.models = {{convmixer, 8}}, .runners = 2}},
        {"fixed-cost", "fixed cost", {.models = {{fixed, 32}}, .runners = 1}},
        {"gpu", "cpu and gpu", {.models = {{gpu, 64}}, .runners = 1}},
        {"gpu-2-runners", "cpu and gpu", {.models = {{gpu, 64}}, .runners = 2}}};
    for (const H100& h100 : Measured()) {
      all->push_back(OnH100(h100.name, h100.eager_ms, h100.first_use_ms));
      all->push_back(OnH100(h100.name + "-graph", h100.graph_ms, h100.first_use_ms));
    }
    return all;
  }();
  return *curves;
}

}  // namespace patchserve::simulate
