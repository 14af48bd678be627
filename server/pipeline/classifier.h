// The way of a request: admission, decode, schedule; then its batch runs (batch_runner.h).
//
// The steps are in the order of server/README.md's "Life of a request".
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/base/steady_clock.h"
#include "server/base/thread_pool.h"
#include "server/image/limits.h"
#include "server/metrics/metrics.h"
#include "server/pipeline/admission.h"
#include "server/pipeline/answer.h"
#include "server/pipeline/batch_runner.h"
#include "server/pipeline/call.h"
#include "server/pipeline/model_registry.h"
#include "server/pipeline/request.h"
#include "server/scheduling/executor.h"

namespace patchserve {

struct ClassifierOptions {
  ImageLimits limits;
  int decode_threads = 1;
  int64_t max_bytes_in_flight = 256 << 20;   // as sent, and as model input
  int64_t max_decoding_bytes = 600'000'000;  // of those that aren't decoded
  absl::Duration max_batch_delay = absl::InfiniteDuration();
  std::string device = "cpu";  // label of the device's metrics
  int runners = 1;
  // That answer batches of more than 16 images, so that the runner takes its next batch at once. 0:
  // runners answer theirs themselves.
  int answer_threads = 0;
  bool shared_device = false;  // the runners share one device, as on a GPU; else a core each
  std::function<void(int runner)> prepare_runner = [](int) {};
  // Runs a batch that has the device to itself on so many cores; for models that have more than
  // one.
  std::function<void(int cores, const std::function<void()>& batch)> run_alone;
  // Called once, on a runner, when the device is lost for good.
  std::function<void(const absl::Status&)> device_lost = [](const absl::Status&) {};
  // Tests stop the clock of deadlines.
  std::function<absl::Time()> now = SteadyNow;
};

// Thread-safe.
class Classifier {
 public:
  // All references must outlive this.
  Classifier(ClassifierOptions options, ModelRegistry& registry, Metrics& metrics);
  ~Classifier();

  // Gives the model a queue at the device for as long as it lives, and fills what
  // ServedModel says. The model may then be put into the registry.
  void Schedule(const std::shared_ptr<ServedModel>& model);

  // Answers `request` through `done`, exactly once, here or on another thread.
  // Errors: NOT_FOUND, UNAVAILABLE: as ModelRegistry::Find. FAILED_PRECONDITION: the
  // model is at another version. INVALID_ARGUMENT: the image or an option.
  // RESOURCE_EXHAUSTED, with RetryAfter: too much waits already, or the answer would be
  // late. DEADLINE_EXCEEDED: no idle server could keep the deadline, or it passed before the image
  // ran. CANCELLED: found before it ran. INTERNAL.
  void Classify(ClassifyRequest request, AnswerCallback done);

  // Classify in two steps, for images that are taken in together or not at all. Admit is
  // null if the request was refused, which answers it. Else it has its place, and must be
  // started or, with an error, finished.
  CallPtr Admit(ClassifyRequest request, AnswerCallback done);
  void Start(CallPtr admitted);

  // Answers a request that couldn't be read to its end with `why`, and counts it.
  void Refuse(ClassifyRequest request, const absl::Status& why, AnswerCallback done);

  // Requests the cancellation, and answers those of its requests that wait for the device. The
  // caller may hold no lock that their AnswerCallback takes.
  void Cancel(Cancellation& cancellation);

  // As Executor::RunBetween, with little patience: for the warm-up of a model while others
  // serve.
  bool RunBetweenBatches(int runner, absl::Duration expected, std::function<void()> work);
  int runners() const { return options_.runners; }

  const ClassifierOptions& options() const { return options_; }

  // Those of the options until then.
  void SetBudgets(const Budgets& budgets) { admission_.SetBudgets(budgets); }
  Budgets budgets() const { return admission_.budgets(); }

  // Requests from now on are UNAVAILABLE; those accepted go on.
  void Drain() { draining_ = true; }

  // Finishes what was accepted, then joins the threads.
  void Stop();

 private:
  ModelMetrics* FiguresOf(absl::string_view model) const;
  absl::Status Check(Call& call);
  // Whether there was an image to decode, and somebody to wait for it.
  bool Decode(CallPtr call, absl::Time admitted, absl::Time started);
  bool InTime(const Call& call);
  void GiveUp(CallPtr call);  // it is cancelled, or can't be in time
  void Drop(CallPtr call, DropReason reason);

  const ClassifierOptions options_;
  ModelRegistry& registry_;
  Metrics& metrics_;
  DeviceMetrics& device_metrics_;
  std::atomic<bool> draining_ = false;
  const std::shared_ptr<Executor<CallPtr>> executor_;  // which models may outlive
  AdmissionControl admission_;
  BatchRunner batch_runner_;
  ThreadPool decode_pool_;  // after executor_: it pushes there until it stops
};

}  // namespace patchserve
