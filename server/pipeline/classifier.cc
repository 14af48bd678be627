#include "server/pipeline/classifier.h"

#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/pipeline/model_input.h"
#include "server/pipeline/request_check.h"
#include "spdlog/spdlog.h"

namespace patchserve {
namespace {

absl::Status Expired() {
  return absl::DeadlineExceededError("the deadline passed before the request could run");
}

// Whoever waits for a thread has a place in a queue, of this model or of one that it
// replaces.
constexpr int kBoundedByAdmission = std::numeric_limits<int>::max();

absl::Status ShuttingDown() { return absl::UnavailableError("the server is shutting down"); }

}  // namespace

Classifier::Classifier(ClassifierOptions options, ModelRegistry& registry, Metrics& metrics)
    : options_(std::move(options)),
      registry_(registry),
      metrics_(metrics),
      device_metrics_(metrics.Device(options_.device)),
      executor_(std::make_shared<Executor<CallPtr>>(Executor<CallPtr>::Options{
          .scheduler = {.runners = options_.runners,
                        .shared_device = options_.shared_device,
                        .max_delay = options_.max_batch_delay},
          .prepare_runner = options_.prepare_runner,
          .run_alone = options_.run_alone,
          .now = options_.now,
          .drop = [this](CallPtr call, DropReason why) { Drop(std::move(call), why); }})),
      admission_({.budgets = {options_.max_bytes_in_flight, options_.max_decoding_bytes},
                  .decode_threads = options_.decode_threads},
                 *executor_),
      batch_runner_({.answer_threads = options_.answer_threads,
                     .device_lost = options_.device_lost,
                     .now = options_.now},
                    *executor_, device_metrics_),
      decode_pool_("decode", options_.decode_threads, kBoundedByAdmission) {
  device_metrics_.SetRunners(options_.runners);
  metrics_.BeforeScrape([this] {
    for (const ModelEntry& entry : registry_.List()) {
      if (entry.model == nullptr) continue;
      entry.model->metrics->SetPredictedWait(admission_.PredictedWait(*entry.model));
    }
  });
}

Classifier::~Classifier() {
  metrics_.BeforeScrape(nullptr);
  Stop();
}

void Classifier::Stop() {
  Drain();
  decode_pool_.Stop();
  executor_->Stop();
  batch_runner_.Stop();
}

void Classifier::Schedule(const std::shared_ptr<ServedModel>& model) {
  model->metrics = &metrics_.Model(model->name);
  model->scheduled_as = executor_->AddModel(
      model->max_queue, CostModel(model->buckets, model->measured),
      [this](std::vector<CallPtr> batch, int bucket,
             const Executor<CallPtr>::DeviceDone& device_done,
             Executor<CallPtr>::Answered answered) {
        batch_runner_.Run(std::move(batch), bucket, device_done, std::move(answered));
      },
      model->cores_of_lone);
  model->queue = Hold([executor = std::weak_ptr(executor_), number = model->scheduled_as] {
    if (const auto there = executor.lock()) there->RemoveModel(number);
  });
}

bool Classifier::RunBetweenBatches(int runner, absl::Duration expected,
                                   std::function<void()> work) {
  constexpr absl::Duration kPatience = absl::Seconds(1);
  return executor_->RunBetween(runner, std::move(work), expected, kPatience);
}

void Classifier::Cancel(Cancellation& cancellation) {
  for (int64_t ticket : cancellation.Request()) executor_->Cancel(ticket);
}

absl::Status Classifier::Check(Call& call) {
  if (draining_) {
    call.figures = FiguresOf(call.request.model);
    if (call.figures != nullptr) {
      call.figures->Shed(ShedReason::kDraining, call.request.criticality);
    }
    return ShuttingDown();
  }
  RETURN_IF_ERROR(CheckRequest(registry_, options_.limits, call));
  const absl::Time now = options_.now();
  if (call.request.deadline <= now) {
    call.figures->Shed(ShedReason::kExpired, call.request.criticality);
    return Expired();
  }
  RETURN_IF_ERROR(admission_.Admit(call, now));
  call.EnterQueue();
  return absl::OkStatus();
}

void Classifier::Classify(ClassifyRequest request, AnswerCallback done) {
  if (CallPtr call = Admit(std::move(request), std::move(done))) Start(std::move(call));
}

CallPtr Classifier::Admit(ClassifyRequest request, AnswerCallback done) {
  auto call = std::make_unique<Call>(std::move(request), metrics_, std::move(done));
  absl::Status checked = Check(*call);
  if (checked.ok()) return call;
  if (call->model == nullptr) call->figures = FiguresOf(call->request.model);
  call->Finish(std::move(checked));
  return nullptr;
}

void Classifier::Start(CallPtr admitted) {
  // A task must be copied or dropped as a whole, but a refused call still has to be
  // answered: hence the bare pointer, which one of the two takes back.
  Call* call = admitted.release();
  const absl::Time deadline = call->request.deadline;
  const auto task = [this, call, admitted = SteadyNow()] {
    const absl::Time started = SteadyNow();
    const ImageInfo image = call->image;
    // What passing the image on takes is time that the next one waits for, too. Damaged files teach
    // nothing: some end at once.
    if (Decode(CallPtr(call), admitted, started)) admission_.Decoded(image, SteadyNow() - started);
  };
  const bool queued = decode_pool_.TryRun(task, deadline);
  if (!queued) CallPtr(call)->Finish(ShuttingDown());
}

void Classifier::Refuse(ClassifyRequest request, const absl::Status& why, AnswerCallback done) {
  Call call(std::move(request), metrics_, std::move(done));
  call.figures = FiguresOf(call.request.model);
  call.Finish(why);
}

ModelMetrics* Classifier::FiguresOf(absl::string_view model) const {
  const std::string* name = registry_.FullName(model);
  return name == nullptr ? nullptr : &metrics_.Model(*name);
}

bool Classifier::Decode(CallPtr call, absl::Time admitted, absl::Time started) {
  if (call->cancelled() || !InTime(*call)) {
    GiveUp(std::move(call));
    return false;
  }
  auto input = MakeModelInput(call->request.image, call->image,
                              call->model->description.preprocessing, call->model->allocate_input);
  if (absl::IsInternal(input.status())) {
    spdlog::error("{}", std::string(input.status().message()));
  }
  if (!input.ok()) {
    call->Finish(std::move(input).status());
    return false;
  }
  call->input = *std::move(input);
  call->decoded = SteadyNow();
  call->waited = started - admitted;
  call->decode = call->decoded - started;
  call->model->metrics->StageTook(Stage::kDecode, call->decode);
  call->undecoded.Release();
  call->decode_work.Release();
  call->place.Forget();  // from here on the executor's own matter
  const int64_t ticket = call->ticket;
  if (auto refused = executor_->Push(ticket, std::move(call))) {
    if ((*refused)->cancelled()) {
      GiveUp(*std::move(refused));
    } else {
      (*refused)->Finish(ShuttingDown());
    }
  }
  return true;
}

bool Classifier::InTime(const Call& call) {
  return executor_->InTime(call.model->scheduled_as, call.request.deadline);
}

void Classifier::GiveUp(CallPtr call) {
  // gRPC cancels a call whose deadline passes: then it is the deadline that counts.
  const bool cancelled = call->cancelled() && InTime(*call);
  Drop(std::move(call), cancelled ? DropReason::kCancelled : DropReason::kExpired);
}

void Classifier::Drop(CallPtr call, DropReason reason) {
  if (reason == DropReason::kCancelled) {
    call->Finish(absl::CancelledError("the caller cancelled"));
  } else {
    call->figures->Shed(ShedReason::kExpired, call->request.criticality);
    call->Finish(Expired());
  }
}

}  // namespace patchserve
