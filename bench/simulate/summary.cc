#include "bench/simulate/summary.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "absl/strings/str_format.h"

namespace patchserve::simulate {
namespace {

constexpr double kClose = 0.98;

// In the order of their first cells.
template <typename Name>
Summaries By(const std::vector<Cell>& cells, const std::vector<Outcome>& outcomes,
             const Name& name) {
  Summaries summaries;
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string key = name(cells[i]);
    auto found = std::find_if(summaries.begin(), summaries.end(),
                              [&](const auto& entry) { return entry.first == key; });
    if (found == summaries.end()) found = summaries.insert(found, {key, {}});
    found->second.Add(cells[i], outcomes[i]);
  }
  return summaries;
}

}  // namespace

void Summary::Worst::Note(double other, const Cell& of) {
  if (other >= value) return;
  value = other;
  cell = absl::StrFormat("%s, budget %g, load %g", of.name(), of.budget, of.load);
}

void Summary::Add(const Cell& cell, const Outcome& outcome) {
  const double ratio = outcome.ratio();
  ++cells_;
  close_ += ratio >= kClose;
  ratios_ += ratio;
  ratio_.Note(ratio, cell);
  const std::vector<double> by_seed = outcome.ratios();
  ratios_by_seed_.resize(by_seed.size());
  for (size_t seed = 0; seed < by_seed.size(); ++seed) ratios_by_seed_[seed] += by_seed[seed];
  admitted_ += outcome.ours.admitted();
  in_time_ += outcome.ours.in_time();
  if (outcome.ours.admitted() > 0) {
    kept_.Note(outcome.ours.in_time() / outcome.ours.admitted(), cell);
  }
}

std::string Summary::Columns() const {
  const auto [least, most] = std::minmax_element(ratios_by_seed_.begin(), ratios_by_seed_.end());
  return absl::StrFormat("%d | %.4f (%.4f..%.4f) | %d | %.3f: %s | %.4f | %.3f: %s |", cells_,
                         ratios_ / cells_, *least / cells_, *most / cells_, close_, ratio_.value,
                         ratio_.cell, in_time_ / std::max(1.0, admitted_), kept_.value, kept_.cell);
}

Summaries ByGroup(const std::vector<Cell>& cells, const std::vector<Outcome>& outcomes) {
  Summaries summaries = By(cells, outcomes, [](const Cell& cell) { return cell.curve->group; });
  const Summaries all = By(cells, outcomes, [](const Cell&) { return std::string("all"); });
  summaries.insert(summaries.end(), all.begin(), all.end());
  return summaries;
}

Summaries ByTraffic(const std::vector<Cell>& cells, const std::vector<Outcome>& outcomes) {
  return By(cells, outcomes, [](const Cell& cell) { return cell.name(); });
}

void PrintTable(const std::string& names, const std::string& rival, const Summaries& summaries) {
  std::printf(
      "\n| %s | cells | goodput / %s, mean (by seed) | within 2 %% or better | worst cell "
      "| admitted requests in time | in the worst cell |\n|---|---|---|---|---|---|---|\n",
      names.c_str(), rival.c_str());
  for (const auto& [name, summary] : summaries) {
    std::printf("| %s | %s\n", name.c_str(), summary.Columns().c_str());
  }
}

void PrintBounds(const std::vector<Cell>& cells, const std::vector<Outcome>& outcomes) {
  struct Sums {
    int cells = 0;
    double of_bound = 0;
    double least = 1e9;  // ours / Triton's defaults under overload
  };
  std::vector<std::string> names;  // in order
  std::map<std::string, Sums> sums;
  for (size_t i = 0; i < cells.size(); ++i) {
    Sums& of = sums[cells[i].name()];
    if (of.cells++ == 0) names.push_back(cells[i].name());
    of.of_bound += outcomes[i].of_bound();
    if (cells[i].load <= 1) continue;
    const double defaults = std::max(1.0, outcomes[i].Peer("triton-defaults").in_time());
    of.least = std::min(of.least, outcomes[i].ours.in_time() / defaults);
  }
  std::printf(
      "\n| curve/traffic | ours, of the bound | loads above 1: ours / Triton's defaults, least "
      "|\n|---|---|---|\n");
  for (const std::string& name : names) {
    const Sums& of = sums[name];
    std::printf("| %s | %.3f | %.2f |\n", name.c_str(), of.of_bound / of.cells, of.least);
  }
}

void PrintBehind(const std::vector<Cell>& cells, const std::vector<Outcome>& outcomes) {
  std::printf(
      "\n| behind in | budget | load | ours, of the bound | best peer | of the bound | ours / best "
      "(by seed) |\n|---|---|---|---|---|---|---|\n");
  for (size_t i = 0; i < cells.size(); ++i) {
    const Outcome& outcome = outcomes[i];
    if (outcome.ratio() >= kClose) continue;
    const std::vector<double> ratios = outcome.ratios();
    const auto [least, most] = std::minmax_element(ratios.begin(), ratios.end());
    const Row& best = outcome.best();
    std::printf("| %s | %g | %g | %.3f | %s (%s) | %.3f | %.3f (%.3f..%.3f) |\n",
                cells[i].name().c_str(), cells[i].budget, cells[i].load, outcome.of_bound(),
                best.policy.c_str(), best.options.c_str(), outcome.of_bound() / outcome.ratio(),
                outcome.ratio(), *least, *most);
  }
}

}  // namespace patchserve::simulate
