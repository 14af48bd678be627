#include "server/pipeline/classify_all.h"

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/steady_clock.h"

namespace patchserve {
namespace {

absl::Status Numbered(const absl::Status& status, int image) {
  absl::Status numbered(status.code(), absl::StrCat("image ", image, ": ", status.message()));
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { numbered.SetPayload(url, payload); });
  return numbered;
}

absl::Status AnotherFailed() { return absl::CancelledError("another image failed"); }

// Shared by the images' callbacks.
class Joint {
 public:
  Joint(Classifier& classifier, std::shared_ptr<const ServedModel> model, int images,
        absl::Time arrival, AllAnswered done)
      : classifier_(classifier),
        model_(std::move(model)),
        arrival_(arrival),
        done_(std::move(done)),
        answers_(images),
        unanswered_(images) {}

  Cancellation& failed() { return failed_; }

  void Answered(int image, absl::StatusOr<Answer> answer) {
    bool first_to_fail = false, last = false;
    {
      std::lock_guard lock(mutex_);
      if (answer.ok()) {
        answers_[image] = *std::move(answer);
      } else if (error_.ok()) {
        first_to_fail = true;
        error_ = answers_.size() == 1 ? answer.status() : Numbered(answer.status(), image);
      }
      last = --unanswered_ == 0;
    }
    if (last) return Finish();
    if (first_to_fail) classifier_.Cancel(failed_);
  }

 private:
  void Finish() {
    CountRequest(*model_->metrics, error_, answers_, arrival_, SteadyNow());
    if (!error_.ok()) return std::move(done_)(error_);
    std::move(done_)(std::move(answers_));
  }

  Classifier& classifier_;
  const std::shared_ptr<const ServedModel> model_;
  const absl::Time arrival_;
  AllAnswered done_;
  Cancellation failed_;
  std::mutex mutex_;
  std::vector<Answer> answers_;  // guarded by mutex_ until all are there
  absl::Status error_;           // likewise
  int unanswered_;               // guarded by mutex_
};

}  // namespace

void ClassifyAll(Classifier& classifier, std::shared_ptr<const ServedModel> model,
                 std::vector<ClassifyRequest> images, AllAnswered done) {
  const int count = static_cast<int>(images.size());
  auto joint =
      std::make_shared<Joint>(classifier, model, count, images[0].arrival, std::move(done));
  // Work begins when all are admitted: if one is refused, no other was decoded in vain.
  std::vector<CallPtr> admitted;
  for (int i = 0; i < count; ++i) {
    if (joint->failed().requested()) {
      joint->Answered(i, AnotherFailed());
      continue;
    }
    images[i].pinned = model;
    images[i].given_up = &joint->failed();
    admitted.push_back(classifier.Admit(
        std::move(images[i]),
        [joint, i](absl::StatusOr<Answer> answer) { joint->Answered(i, std::move(answer)); }));
  }
  for (CallPtr& call : admitted) {
    if (call == nullptr) continue;  // the one that was refused
    if (joint->failed().requested()) {
      call->Finish(AnotherFailed());
    } else {
      classifier.Start(std::move(call));
    }
  }
}

}  // namespace patchserve
