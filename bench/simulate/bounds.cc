#include "bench/simulate/bounds.h"

#include <algorithm>
#include <cstdint>

namespace patchserve::simulate {
namespace {

double Seconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

// The most that fit in order into the time of one machine. As all take as long, giving
// up the one that would be late is never worse than giving up another.
double InOrder(const std::vector<Request>& requests, double each, double least, double budget) {
  double free = 0;
  int in_time = 0;
  for (const Request& request : requests) {
    if (Seconds(request.ready) + least > Seconds(request.deadline)) continue;
    const double end = std::max(free, Seconds(request.sent)) + each;
    if (end > Seconds(request.sent) + budget) continue;
    free = end;
    ++in_time;
  }
  return in_time;
}

// With several models: the cheapest first, as many as fit into all the time there is.
double CheapestFirst(const std::vector<Request>& requests, const Device& device, double budget) {
  std::vector<int> sent(device.models.size());
  for (const Request& request : requests) ++sent[request.model];
  std::vector<std::pair<double, int>> by_cost;
  for (size_t model = 0; model < sent.size(); ++model) {
    by_cost.push_back({device.models[model].best_each(), sent[model]});
  }
  std::sort(by_cost.begin(), by_cost.end());
  double left = (Seconds(requests.back().sent) + budget) * device.lanes(), in_time = 0;
  for (const auto& [each, count] : by_cost) {
    const double fit = std::min<double>(count, left / each);
    in_time += fit;
    left -= fit * each;
  }
  return in_time;
}

}  // namespace

double FluidBound(const std::vector<Request>& requests, const Device& device) {
  double budget = 0;
  for (const Request& request : requests) {
    budget = std::max(budget, Seconds(request.deadline) - Seconds(request.sent));
  }
  if (device.models.size() > 1) return CheapestFirst(requests, device, budget);
  const CostCurve& curve = device.models.front();
  return InOrder(requests, curve.best_each() / device.lanes(), curve.seconds(1), budget);
}

double ClairvoyantBound(const std::vector<Request>& requests, const CostCurve& curve) {
  const double step = curve.seconds(1) / 100;
  std::vector<int> cost(curve.max_batch + 1), sent, deadline;
  for (int size = 1; size <= curve.max_batch; ++size) {
    cost[size] = static_cast<int>(curve.seconds(size) / step * (1 + 1e-9));
  }
  for (const Request& request : requests) {
    sent.push_back(static_cast<int>(Seconds(request.sent) / step));
    deadline.push_back(static_cast<int>(Seconds(request.deadline) / step));
  }
  const int count = static_cast<int>(requests.size()), end = deadline.back() + 1;
  // served[t][i]: the most that are in time if the runner is free at t, and of those
  // before first[t] + i each has run or been given up. -1: it can't be so.
  std::vector<int> first(end + 1);
  std::vector<std::vector<int>> served(end + 1);
  for (int t = 0, dead = 0, there = 0; t <= end; ++t) {
    while (dead < count && deadline[dead] < t + cost[1]) ++dead;
    while (there < count && sent[there] <= t) ++there;
    first[t] = dead;
    served[t].assign(std::max(there, dead) - dead + 1, -1);
  }
  const auto reach = [&](int t, int next, int value) {
    int& best = served[t][std::max(0, next - first[t])];
    best = std::max(best, value);
  };
  served[0][0] = 0;
  for (int t = 0; t < end; ++t) {
    const int waiting = static_cast<int>(served[t].size()) - 1;
    for (int i = 0; i <= waiting; ++i) {
      const int value = served[t][i], next = first[t] + i;
      if (value < 0) continue;
      reach(t + 1, next, value);  // the runner waits
      if (i == waiting) break;
      reach(t, next + 1, value);  // the first is given up
      const int most = std::min(waiting - i, curve.max_batch);
      for (int size = 1; size <= most; ++size) {
        if (size < most && cost[size + 1] == cost[size]) continue;
        if (t + cost[size] > deadline[next]) break;
        reach(std::min(end, t + cost[size]), next + size, value + size);
      }
    }
    if (t > 0) std::vector<int>().swap(served[t]);
  }
  return *std::max_element(served[end].begin(), served[end].end());
}

}  // namespace patchserve::simulate
