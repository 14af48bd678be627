#include "bench/simulate/results.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace patchserve::simulate {
namespace {

constexpr char kHeader[] =
    "curve,traffic,budget,load,seed,policy,options,sent,refused,in_time,seconds,bound,goodput,"
    "of_bound,p50_ms,p99_ms,batch";

double Number(const std::string& text) {
  double number = 0;
  if (!absl::SimpleAtod(text, &number)) throw std::runtime_error("not a number: " + text);
  return number;
}

void WriteRow(std::ostream& csv, const CellKey& cell, const Row& row,
              const std::vector<double>& bounds) {
  const auto& [curve, traffic, budget, load] = cell;
  for (size_t seed = 0; seed < row.seeds.size(); ++seed) {
    const Figures& f = row.seeds[seed];
    const auto in_time = static_cast<double>(f.in_time());
    csv << absl::StrFormat("%s,%s,%g,%g,%d,%s,%s,%d,%d,%s,%.12g,%.12g,%.6g,%.4f,%.3f,%.3f,%.2f\n",
                           curve, traffic, budget, load, seed, row.policy, row.options, f.sent,
                           f.refused, absl::StrJoin(f.by_model, "/"), f.seconds, bounds[seed],
                           in_time / f.seconds, in_time / bounds[seed], f.p50_ms, f.p99_ms,
                           f.mean_batch);
  }
}

}  // namespace

Figures::Figures(const Result& result)
    : sent(result.sent),
      refused(result.refused),
      seconds(result.seconds),
      p50_ms(1e3 * result.Percentile(0.5)),
      p99_ms(1e3 * result.Percentile(0.99)),
      mean_batch(result.mean_batch()) {
  for (const auto& of_model : result.latencies) {
    by_model.push_back(static_cast<int64_t>(of_model.size()));
  }
}

int64_t Figures::in_time() const {
  return std::accumulate(by_model.begin(), by_model.end(), int64_t{0});
}

double Row::in_time() const {
  double sum = 0;
  for (const Figures& f : seeds) sum += static_cast<double>(f.in_time());
  return sum;
}

double Row::admitted() const {
  double sum = 0;
  for (const Figures& f : seeds) sum += static_cast<double>(f.sent - f.refused);
  return sum;
}

const Row& Outcome::Peer(const std::string& policy) const {
  return *std::find_if(peers.begin(), peers.end(),
                       [&](const Row& row) { return row.policy == policy; });
}

const Row& Outcome::best() const {
  return *std::max_element(peers.begin(), peers.end(),
                           [](const Row& a, const Row& b) { return a.in_time() < b.in_time(); });
}

double Outcome::ratio() const { return ours.in_time() / std::max(1.0, best().in_time()); }

std::vector<double> Outcome::ratios() const {
  const Row& peer = best();
  std::vector<double> ratios;
  for (size_t seed = 0; seed < ours.seeds.size(); ++seed) {
    ratios.push_back(static_cast<double>(ours.seeds[seed].in_time()) /
                     static_cast<double>(std::max<int64_t>(1, peer.seeds[seed].in_time())));
  }
  return ratios;
}

double Outcome::of_bound() const {
  return ours.in_time() / std::accumulate(bounds.begin(), bounds.end(), 0.0);
}

void WriteHeader(std::ostream& csv) { csv << kHeader << "\n"; }

void WriteOutcome(std::ostream& csv, const CellKey& cell, const Outcome& outcome) {
  WriteRow(csv, cell, outcome.ours, outcome.bounds);
  for (const Row& row : outcome.peers) WriteRow(csv, cell, row, outcome.bounds);
}

std::map<CellKey, Outcome> ReadOutcomes(std::istream& csv) {
  std::map<CellKey, Outcome> outcomes;
  std::string line;
  std::getline(csv, line);
  if (line != kHeader) throw std::runtime_error("the first line isn't " + std::string(kHeader));
  while (std::getline(csv, line)) {
    const std::vector<std::string> fields = absl::StrSplit(line, ',');
    if (fields.size() != 17) throw std::runtime_error("not 17 fields: " + line);
    Outcome& outcome =
        outcomes[CellKey{fields[0], fields[1], Number(fields[2]), Number(fields[3])}];
    if (outcome.bounds.size() <= Number(fields[4])) outcome.bounds.push_back(Number(fields[11]));
    Row* row = &outcome.ours;
    if (fields[5] != "ours") {
      const auto known = std::find_if(outcome.peers.begin(), outcome.peers.end(),
                                      [&](const Row& r) { return r.policy == fields[5]; });
      row = known != outcome.peers.end() ? &*known : &outcome.peers.emplace_back();
    }
    row->policy = fields[5];
    row->options = fields[6];
    Figures& f = row->seeds.emplace_back();
    f.sent = static_cast<int64_t>(Number(fields[7]));
    f.refused = static_cast<int64_t>(Number(fields[8]));
    for (const auto count : absl::StrSplit(fields[9], '/')) {
      f.by_model.push_back(static_cast<int64_t>(Number(std::string(count))));
    }
    f.seconds = Number(fields[10]);
    f.p50_ms = Number(fields[14]);
    f.p99_ms = Number(fields[15]);
    f.mean_batch = Number(fields[16]);
  }
  return outcomes;
}

}  // namespace patchserve::simulate
