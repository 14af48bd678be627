#include "tests/bench/simulate/policies.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/scheduling/admission_rule.h"
#include "server/scheduling/batch_rule.h"

namespace patchserve::simulate {
namespace {

// The server's way: who asks is admitted or refused, what is admitted is batched, and how well
// predictions were kept is learned.
class OurPolicy : public Policy {
 public:
  OurPolicy(const Device& device, bool admission)
      : rule_({.runners = device.runners}), runners_(device.runners), admission_(admission) {
    for (const CostCurve& curve : device.models) {
      std::vector<CostModel::Sample> measured;
      for (int size = 1; size < curve.max_batch; size *= 2) {
        measured.push_back({size, absl::Seconds(curve.seconds(size))});
      }
      measured.push_back({curve.max_batch, absl::Seconds(curve.seconds(curve.max_batch))});
      rule_.AddModel({.max_queued = 4096}, CostModel(measured, curve.max_batch));
    }
  }

  bool Admit(const Request& request, absl::Time now) override {
    if (!admission_) return true;
    const Admission admission = rule_.Ask({.model = request.model,
                                           .deadline = request.deadline,
                                           .decode = request.ready - now,
                                           .retried = request.retried},
                                          RunnersAt(now), now);
    pause_ = std::max(admission.retry_after, absl::Milliseconds(10));
    if (admission.answer != Admission::Answer::kAdmitted) return false;
    slack_.insert({{request.model, request.deadline}, admission.slack});
    return true;
  }

  bool Push(const Request& request, absl::Time now) override {
    Item item{request};
    if (admission_) {
      item.slack = slack_.extract(slack_.find({request.model, request.deadline})).mapped();
    }
    return !rule_.Push(request.model, item, request.deadline, now, /*admitted=*/admission_)
                .has_value();
  }

  absl::Duration Pause() const override { return pause_; }

  Decision Next(absl::Time now, int idle) override {
    auto next = rule_.Next(now, idle);
    for (const auto& dropped : next.dropped) Note(dropped.item, absl::InfiniteFuture());
    Decision decision{
        .model = next.model, .dropped = static_cast<int>(next.dropped.size()), .wake = next.wake};
    for (const Item& item : next.batch) decision.batch.push_back(item.request);
    if (next.model >= 0) {
      const int size = static_cast<int>(next.batch.size());
      running_.push_back(
          {next.model, now, now + rule_.cost(next.model).Expected(size), std::move(next.batch)});
    }
    return decision;
  }

  void Done(int model, int size, absl::Duration took) override {
    rule_.Observe(model, size, took);
    const auto done = std::find_if(running_.begin(), running_.end(), [&](const Running& r) {
      return r.model == model && static_cast<int>(r.batch.size()) == size;
    });
    for (const Item& item : done->batch) Note(item, done->started + took);
    running_.erase(done);
  }

 private:
  struct Item {
    Request request;
    double slack = 0;  // see punctuality.h
  };
  struct Running {
    int model;
    absl::Time started, until;
    std::vector<Item> batch;
  };

  RunnerState RunnersAt(absl::Time now) const {
    RunnerState runners{.idle = runners_ - static_cast<int>(running_.size())};
    for (const Running& r : running_) runners.Busy(r.until - now);
    return runners;
  }

  void Note(const Item& item, absl::Time answered) {
    rule_.Answered(item.request.model, answered <= item.request.deadline, item.slack);
  }

  BatchRule<Item> rule_;
  const int runners_;
  const bool admission_;
  absl::Duration pause_;
  // At admission, by model and deadline; of those who aren't ready.
  std::multimap<std::pair<int, absl::Time>, double> slack_;
  std::vector<Running> running_;
};

constexpr double kNever = std::numeric_limits<double>::infinity();

// Times in batches of one.
struct FifoOptions {
  double delay = 0;           // of a batch's first request
  int enough = 1 << 20;       // a batch of this size leaves at once
  int largest = 1 << 20;      // a batch has no more
  double timeout = kNever;    // as a share of what a request has left after a batch of one
  int most_queued = 1 << 20;  // more are refused
  bool padded = false;        // to the next power of two, or the largest batch
  double objective = kNever;  // of a batch's time: more shrinks the largest batch
};

class FifoPolicy : public Policy {
 public:
  FifoPolicy(const Device& device, const FifoOptions& options)
      : device_(device), options_(options), queues_(device.models.size()) {
    for (size_t model = 0; model < queues_.size(); ++model) {
      queues_[model].single = absl::Seconds(device.models[model].seconds(1));
      queues_[model].needed = 1.1 * queues_[model].single;
      queues_[model].delay = options.delay * queues_[model].single;
      queues_[model].largest = std::min(options.largest, device.models[model].max_batch);
      if (options.objective < kNever) queues_[model].limit = 1;
    }
  }

  bool Push(const Request& request, absl::Time now) override {
    Queue& queue = queues_[request.model];
    if (static_cast<int>(queue.waiting.size()) >= options_.most_queued) return false;
    absl::Time reject = absl::InfiniteFuture();
    if (options_.timeout < kNever) {
      reject = now + options_.timeout * (request.deadline - request.sent - queue.needed);
    }
    queue.waiting.push_back({request, now, reject});
    return true;
  }

  Decision Next(absl::Time now, int) override {
    Decision decision;
    int chosen = -1;
    for (int model = 0; model < static_cast<int>(queues_.size()); ++model) {
      auto& waiting = queues_[model].waiting;
      for (; !waiting.empty() && waiting.front().reject < now; waiting.pop_front()) {
        ++decision.dropped;
      }
      if (waiting.empty()) continue;
      const absl::Time leave = LeaveAt(queues_[model], now);
      if (leave > now) {
        decision.wake = std::min(decision.wake, leave);
      } else if (chosen < 0 || waiting.front().pushed < queues_[chosen].waiting.front().pushed) {
        chosen = model;
      }
    }
    if (chosen >= 0) TakeBatch(chosen, now, decision);
    return decision;
  }

  void Done(int model, int size, absl::Duration took) override {
    Queue& queue = queues_[model];
    if (options_.objective == kNever) return;
    if (took > options_.objective * queue.single) {
      queue.limit = std::max(1.0, queue.limit * 0.9);
    } else if (size >= static_cast<int>(queue.limit)) {
      queue.limit = std::min<double>(queue.limit + 1, queue.largest);
    }
  }

 private:
  struct Waiting {
    Request request;
    absl::Time pushed;
    absl::Time reject;
  };
  struct Queue {
    std::deque<Waiting> waiting;
    absl::Duration single;  // the time of a batch of one
    absl::Duration needed;  // that, with something to spare
    absl::Duration delay;
    int largest = 0;
    double limit = 1 << 20;  // what is learned
  };

  absl::Time LeaveAt(const Queue& queue, absl::Time now) const {
    if (static_cast<int>(queue.waiting.size()) >= std::min(options_.enough, queue.largest)) {
      return now;
    }
    return queue.waiting.front().pushed + queue.delay;
  }

  void TakeBatch(int model, absl::Time now, Decision& decision) {
    Queue& queue = queues_[model];
    decision.model = model;
    int most = std::min(queue.largest, static_cast<int>(queue.limit));
    // Of a preferred size, unless the delay is over.
    const bool over = now >= queue.waiting.front().pushed + queue.delay;
    if (!over || options_.delay == 0) most = std::min(most, options_.enough);
    while (!queue.waiting.empty() && static_cast<int>(decision.batch.size()) < most) {
      if (queue.waiting.front().reject < now) {
        ++decision.dropped;
      } else {
        decision.batch.push_back(queue.waiting.front().request);
      }
      queue.waiting.pop_front();
    }
    if (!options_.padded) return;
    decision.run_as = 1;
    while (decision.run_as < static_cast<int>(decision.batch.size())) decision.run_as *= 2;
    decision.run_as = std::min(decision.run_as, queue.largest);
  }

  const Device& device_;
  const FifoOptions options_;
  std::vector<Queue> queues_;
};

class DeferredPolicy : public Policy {
 public:
  // The target: the largest batch with time * (1 + stagger) <= budget.
  DeferredPolicy(const Device& device, double budget, double stagger)
      : device_(device), queues_(device.models.size()) {
    for (int model = 0; model < static_cast<int>(queues_.size()); ++model) {
      int& target = targets_.emplace_back(1);
      const int max_batch = device.models[model].max_batch;
      // With the same allowance for noise that the others have by their options.
      auto& times = times_.emplace_back(1);
      for (int size = 1; size <= max_batch; ++size) {
        times.push_back(absl::Seconds(device.models[model].seconds(size) * (1 + device.noise)));
      }
      while (target < max_batch &&
             Time(model, target + 1) * (1 + stagger) <= Time(model, 1) * budget) {
        ++target;
      }
    }
  }

  bool Push(const Request& request, absl::Time) override {
    auto& queue = queues_[request.model];
    queue.insert(std::upper_bound(
                     queue.begin(), queue.end(), request,
                     [](const Request& a, const Request& b) { return a.deadline < b.deadline; }),
                 request);
    return true;
  }

  Decision Next(absl::Time now, int) override {
    Decision decision;
    int chosen = -1, chosen_size = 0;
    absl::Time chosen_latest;
    for (int model = 0; model < static_cast<int>(queues_.size()); ++model) {
      auto& queue = queues_[model];
      const int max_batch = device_.models[model].max_batch;
      const auto late = [&](int size) {
        return now + Time(model, std::max(size, 1)) > queue.front().deadline;
      };
      for (; !queue.empty() && late(std::min<int>(targets_[model], queue.size()));
           queue.pop_front()) {
        ++decision.dropped;
      }
      if (queue.empty()) continue;
      int size = std::min<int>(queue.size(), max_batch);
      while (size > 1 && late(size)) --size;
      const absl::Time latest = queue.front().deadline - Time(model, size);
      const absl::Time leave =
          size == max_batch ? now : queue.front().deadline - Time(model, size + 1);
      if (leave > now) {
        decision.wake = std::min(decision.wake, leave);
      } else if (chosen < 0 || latest < chosen_latest) {
        chosen = model, chosen_size = size, chosen_latest = latest;
      }
    }
    if (chosen < 0) return decision;
    auto& queue = queues_[chosen];
    decision.model = chosen;
    decision.batch.assign(queue.begin(), queue.begin() + chosen_size);
    queue.erase(queue.begin(), queue.begin() + chosen_size);
    return decision;
  }

 private:
  absl::Duration Time(int model, int size) const { return times_[model][size]; }

  const Device& device_;
  std::vector<std::deque<Request>> queues_;
  std::vector<int> targets_;
  std::vector<std::vector<absl::Duration>> times_;  // by model and size
};

MakePolicy Fifo(const FifoOptions& options) {
  return [=](const Device& device) { return std::make_unique<FifoPolicy>(device, options); };
}

}  // namespace

MakePolicy Ours(bool admission) {
  return [=](const Device& device) { return std::make_unique<OurPolicy>(device, admission); };
}

std::vector<Candidate> Peers(const Device& device, double budget) {
  std::vector<Candidate> peers;
  const int max_batch = device.models.front().max_batch;
  const double slack = budget - 1.1;
  const std::vector<double> delays = {0, 0.25, 0.5, 1, 0.5 * slack, 0.9 * slack};

  peers.push_back({"triton-defaults", "", Fifo({})});
  for (double delay : delays) {
    for (double timeout : {kNever, 1.0, 0.5, 0.25}) {
      const auto add = [&](const char* size, int enough, int largest) {
        peers.push_back(
            {"triton", absl::StrCat("delay ", delay, " timeout ", timeout, " ", size, " ", enough),
             Fifo({.delay = delay, .enough = enough, .largest = largest, .timeout = timeout})});
      };
      add("max", max_batch, max_batch);
      add("preferred", max_batch / 4, max_batch);
      add("max", max_batch / 4, max_batch / 4);
      if (max_batch < 16) add("max", 1, 1);
    }
    for (int largest : {max_batch / 4, max_batch}) {
      for (int batches : {1, 2, 4, 1000}) {
        peers.push_back({"tf-serving",
                         absl::StrCat("timeout ", delay, " max ", largest, " queue ", batches),
                         Fifo({.delay = delay,
                               .largest = largest,
                               .most_queued = batches * largest,
                               .padded = true})});
      }
    }
  }
  for (double timeout : {kNever, 1.0}) {
    peers.push_back({"greedy", absl::StrCat("timeout ", timeout), Fifo({.timeout = timeout})});
    for (double share : {0.5, 0.7, 0.9}) {
      peers.push_back({"aimd", absl::StrCat("objective ", share * budget, " timeout ", timeout),
                       Fifo({.timeout = timeout, .objective = share * budget})});
    }
  }
  for (double stagger : {kNever, 1.0 / device.runners, 0.5, 0.0}) {
    peers.push_back({"deferred", absl::StrCat("stagger ", stagger), [=](const Device& device) {
                       return std::make_unique<DeferredPolicy>(device, budget, stagger);
                     }});
  }
  return peers;
}

}  // namespace patchserve::simulate
