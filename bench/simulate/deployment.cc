#include "bench/simulate/deployment.h"

#include <memory>

namespace patchserve::simulate {
namespace {

class DeployedPolicy : public Policy {
 public:
  DeployedPolicy(const MakePolicy& make, const Deployment& deployment, const Device& device)
      : deployment_(deployment), runners_(device.runners), told_(device) {
    if (deployment.one_runner) told_.runners = 1;
    if (deployment.unpadded) {
      for (CostCurve& curve : told_.models) {
        curve.seconds = curve.exact;
        curve.warmed.clear();
      }
    }
    policy_ = make(told_);
  }

  bool Admit(const Request& request, absl::Time now) override {
    return policy_->Admit(request, now);
  }
  bool Push(const Request& request, absl::Time now) override { return policy_->Push(request, now); }
  absl::Duration Pause() const override { return policy_->Pause(); }

  Decision Next(absl::Time now, int idle) override {
    if (deployment_.one_runner && idle < runners_) return {};
    Decision decision = policy_->Next(now, deployment_.one_runner ? 1 : idle);
    if (deployment_.unpadded && decision.run_as == 0) {
      decision.run_as = static_cast<int>(decision.batch.size());
    }
    return decision;
  }

  void Done(int model, int size, absl::Duration took) override { policy_->Done(model, size, took); }

 private:
  const Deployment deployment_;
  const int runners_;
  Device told_;
  std::unique_ptr<Policy> policy_;
};

}  // namespace

MakePolicy Deployed(const MakePolicy& make, const Deployment& deployment) {
  return [=](const Device& device) {
    return std::make_unique<DeployedPolicy>(make, deployment, device);
  };
}

}  // namespace patchserve::simulate
