#include "tests/bench/simulate/ours.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "server/scheduling/admission_rule.h"
#include "server/scheduling/batch_rule.h"

namespace patchserve::simulate {
namespace {

// The server's way: who asks is admitted or refused, what is admitted is batched, and how well
// predictions were kept is learned.
class OurPolicy : public Policy {
 public:
  explicit OurPolicy(const Device& device)
      : rule_({.runners = device.runners}), runners_(device.runners) {
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
    const double slack = slack_.extract(slack_.find({request.model, request.deadline})).mapped();
    return !rule_.Push(request.model, {request, slack}, request.deadline, now, /*admitted=*/true)
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
  absl::Duration pause_;
  // At admission, by model and deadline; of those who aren't ready.
  std::multimap<std::pair<int, absl::Time>, double> slack_;
  std::vector<Running> running_;
};

}  // namespace

MakePolicy Ours() {
  return [](const Device& device) { return std::make_unique<OurPolicy>(device); };
}

}  // namespace patchserve::simulate
