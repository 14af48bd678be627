#include "bench/simulate/ours.h"

#include <algorithm>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/scheduling/scheduler.h"

namespace patchserve::simulate {
namespace {

CostModel Costs(const CostCurve& curve) {
  std::vector<int> buckets = curve.warmed;
  for (int size = 1; curve.warmed.empty() && size <= curve.max_batch; ++size) {
    buckets.push_back(size);
  }
  std::vector<CostModel::Sample> measured;
  for (int bucket : buckets) measured.push_back({bucket, absl::Seconds(curve.seconds(bucket))});
  return CostModel(buckets, measured);
}

// The server's way.
class OurPolicy : public Policy {
 public:
  explicit OurPolicy(const Device& device)
      : scheduler_({.runners = device.runners, .shared_device = device.shared}) {
    constexpr int kMaxQueued = 4096;
    for (const CostCurve& curve : device.models) {
      scheduler_.AddModel(kMaxQueued, Costs(curve));
      warmed_.push_back(!curve.warmed.empty());
    }
  }

  bool Admit(const Request& request, absl::Time now) override {
    const Admission admission = scheduler_.Admit({.model = request.model,
                                                  .deadline = request.deadline,
                                                  .decode = request.ready - now,
                                                  .retried = request.retried},
                                                 now);
    pause_ = std::max(admission.retry_after, absl::Milliseconds(10));
    if (admission.answer != Admission::Answer::kAdmitted) return false;
    requests_[admission.ticket] = request;
    tickets_[{request.model, request.id}] = admission.ticket;
    return true;
  }

  bool Push(const Request& request, absl::Time now) override {
    scheduler_.Ready(tickets_.extract({request.model, request.id}).mapped(), now);
    return true;
  }

  absl::Duration Pause() const override { return pause_; }

  Decision Next(absl::Time now, int /*idle*/) override {
    const Scheduler::Batch batch = scheduler_.Next(now);
    Decision decision{
        .model = batch.model, .dropped = static_cast<int>(batch.late.size()), .wake = batch.wake};
    for (int64_t ticket : batch.late) requests_.erase(ticket);
    if (batch.model < 0) return decision;
    std::vector<absl::Time> deadlines;
    for (int64_t ticket : batch.requests) {
      decision.batch.push_back(requests_.extract(ticket).mapped());
      deadlines.push_back(decision.batch.back().deadline);
    }
    if (!warmed_[batch.model]) decision.run_as = batch.bucket;
    running_.push_back({batch.run, batch.model, static_cast<int>(batch.requests.size()), now,
                        std::move(deadlines)});
    return decision;
  }

  void Done(int model, int size, absl::Duration took) override {
    const auto done = std::find_if(running_.begin(), running_.end(), [&](const Running& r) {
      return r.model == model && r.size == size;
    });
    const absl::Time now = done->started + took;
    const auto late = std::count_if(done->deadlines.begin(), done->deadlines.end(),
                                    [&](absl::Time deadline) { return deadline < now; });
    scheduler_.Ended(done->run, now);
    scheduler_.Answered(model, size, static_cast<int>(late));
    running_.erase(done);
  }

 private:
  struct Running {
    int64_t run;
    int model;
    int size;
    absl::Time started;
    std::vector<absl::Time> deadlines;
  };

  Scheduler scheduler_;
  std::vector<bool> warmed_;                        // by model: whether the device pads
  std::unordered_map<int64_t, Request> requests_;   // that wait, by ticket
  std::map<std::pair<int, int>, int64_t> tickets_;  // not ready, by model and id
  absl::Duration pause_;
  std::vector<Running> running_;
};

}  // namespace

MakePolicy Ours() {
  return [](const Device& device) { return std::make_unique<OurPolicy>(device); };
}

}  // namespace patchserve::simulate
