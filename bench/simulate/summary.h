// What many cells say together, as tables in Markdown.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/simulate/cells.h"
#include "bench/simulate/results.h"

namespace patchserve::simulate {

// Of some cells: goodput over the best peer's, and the share of the admitted requests that
// were in time.
class Summary {
 public:
  void Add(const Cell& cell, const Outcome& outcome);

  // The columns of PrintTable.
  std::string Columns() const;

 private:
  struct Worst {
    double value = 1e9;
    std::string cell;
    void Note(double other, const Cell& of);
  };

  int cells_ = 0, close_ = 0;
  double ratios_ = 0;                   // their sum
  std::vector<double> ratios_by_seed_;  // likewise
  Worst ratio_, kept_;
  double admitted_ = 0, in_time_ = 0;
};

// With their names.
using Summaries = std::vector<std::pair<std::string, Summary>>;

// By the curves' groups, and of all cells: "cpu and gpu" (720 cells), "fixed cost" (180),
// "H100" (1,080), "all". outcomes[i] is that of cells[i].
Summaries ByGroup(const std::vector<Cell>& cells, const std::vector<Outcome>& outcomes);

// By curve and traffic.
Summaries ByTraffic(const std::vector<Cell>& cells, const std::vector<Outcome>& outcomes);

// "| name | cells | goodput, mean ratio (by seed) | within 2 % | worst cell | admitted: in
// time | worst cell |". By seed: the least and the most of the means with one seed.
void PrintTable(const std::string& names, const std::string& rival, const Summaries& summaries);

// Ours against the bound and against Triton's defaults, a line a curve and kind of traffic.
void PrintBounds(const std::vector<Cell>& cells, const std::vector<Outcome>& outcomes);

// The cells in which ours is more than 2 % behind.
void PrintBehind(const std::vector<Cell>& cells, const std::vector<Outcome>& outcomes);

}  // namespace patchserve::simulate
