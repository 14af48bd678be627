#include "client/stream_classifier.h"

#include <grpcpp/grpcpp.h>

#include <optional>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/retry_policy.h"
#include "server/base/proto_duration.h"

namespace patchserve {
namespace {

using Bidi = grpc::ClientBidiReactor<v1::ClassifyStreamRequest, v1::ClassifyStreamResponse>;

absl::Status ToStatus(const grpc::Status& status) {
  // Requests were open, so an end in good order is as bad as a broken connection.
  if (status.ok()) return absl::UnavailableError("the server ended the stream");
  return absl::Status(CodeOfUncancelled(status.error_code()), status.error_message());
}

absl::Status Result(const v1::ClassifyStreamResponse& response) {
  if (!response.has_error()) return absl::OkStatus();
  if (response.error().code() == 0)
    return absl::InternalError("the server sent an error of code 0");
  return absl::Status(static_cast<absl::StatusCode>(response.error().code()),
                      response.error().message());
}

std::optional<absl::Duration> RetryAfter(const v1::ClassifyStreamResponse& response) {
  if (!response.error().has_retry_after()) return std::nullopt;
  return ToAbsl(response.error().retry_after());
}

void TellAll(std::vector<PendingRequests::Failed> failed) {
  for (PendingRequests::Failed& f : failed) std::move(f.done)(std::move(f.status));
}

}  // namespace

// One stream: at most one read and one write are under way. A read always is until the
// stream breaks, which keeps gRPC from ending the call while others may write.
class StreamClassifier::Call final : public Bidi {
 public:
  explicit Call(StreamClassifier& owner) : owner_(owner) {}

  void Start() {
    owner_.stub_->async()->ClassifyStream(&context_, this);
    StartRead(&response_);
    StartCall();
  }

  // The three need the owner's mutex_.
  bool writable() const {
    owner_.mutex_.AssertHeld();
    return message_ == nullptr && !broken_;
  }
  void Write(std::shared_ptr<const v1::ClassifyStreamRequest> message) {
    owner_.mutex_.AssertHeld();
    message_ = std::move(message);
    StartWrite(message_.get());
  }
  void Cancel() { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Lock lock(owner_.mutex_);
      broken_ = true;
      return;
    }
    v1::ClassifyStreamResponse response = std::move(response_);
    response_.Clear();
    StartRead(&response_);
    owner_.Received(std::move(response));
  }

  void OnWriteDone(bool ok) override {
    Lock lock(owner_.mutex_);
    message_ = nullptr;
    if (!ok) broken_ = true;
    owner_.SendNext();
  }

  void OnDone(const grpc::Status& status) override { owner_.Ended(ToStatus(status)); }

 private:
  StreamClassifier& owner_;
  grpc::ClientContext context_;
  v1::ClassifyStreamResponse response_;  // being read
  // Being written.
  std::shared_ptr<const v1::ClassifyStreamRequest> message_ ABSL_GUARDED_BY(owner_.mutex_);
  bool broken_ ABSL_GUARDED_BY(owner_.mutex_) = false;
};

StreamClassifier::StreamClassifier(std::shared_ptr<grpc::Channel> channel, StreamOptions options)
    : options_(options),
      stub_(v1::ImageClassification::NewStub(std::move(channel))),
      pending_(options.retry, std::random_device()()),
      timer_([this] { RunTimer(); }) {}

StreamClassifier::~StreamClassifier() {
  {
    Lock lock(mutex_);
    closing_ = true;
    changed_.notify_all();
    if (call_ != nullptr) call_->Cancel();
    while (call_ != nullptr) changed_.wait(lock);
  }
  timer_.join();
  for (Done& done : pending_.RemoveAll()) {
    std::move(done)(absl::CancelledError("the stream was closed"));
  }
}

void StreamClassifier::ClassifyAsync(std::string image, const ClassifyOptions& options, Done done) {
  v1::ClassifyRequest request = MakeRequest(std::move(image), options);
  absl::Status refusal;
  {
    Lock lock(mutex_);
    if (closing_) {
      refusal = absl::CancelledError("the stream was closed");
    } else if (std::cmp_greater_equal(pending_.size(), options_.max_unanswered)) {
      refusal = absl::ResourceExhaustedError(absl::StrCat(
          options_.max_unanswered, " requests of this stream are unanswered, as many as may be"));
    } else {
      pending_.Add(std::move(request), options.deadline, std::move(done), absl::Now());
      SendNext();
      WakeTimer();
    }
  }
  // A refusal: then `done` wasn't given away.
  if (!refusal.ok()) std::move(done)(std::move(refusal));  // NOLINT(bugprone-use-after-move)
}

void StreamClassifier::SendNext() {
  if (closing_ || !pending_.AnythingToSend()) return;
  if (call_ == nullptr) {
    call_ = std::make_unique<Call>(*this);
    call_->Start();
  }
  if (call_->writable()) call_->Write(pending_.NextToSend(absl::Now()));
}

void StreamClassifier::WakeTimer() {
  if (pending_.NextEvent() < timer_at_) changed_.notify_all();
}

void StreamClassifier::RunTimer() {
  Lock lock(mutex_);
  while (!closing_) {
    timer_at_ = pending_.NextEvent();
    if (timer_at_ == absl::InfiniteFuture()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, absl::ToChronoTime(timer_at_));
    }
    std::vector<PendingRequests::Failed> expired = pending_.Expired(absl::Now());
    SendNext();
    lock.unlock();
    TellAll(std::move(expired));
    lock.lock();
  }
}

void StreamClassifier::Received(v1::ClassifyStreamResponse response) {
  absl::Status status = Result(response);
  std::optional<Done> done;
  {
    Lock lock(mutex_);
    done = pending_.Answered(response.id(), status, RetryAfter(response), absl::Now());
    WakeTimer();
  }
  if (!done) return;
  if (!status.ok()) return std::move(*done)(std::move(status));
  response.mutable_response()->clear_id();  // of no use to who didn't choose it
  std::move (*done)(std::move(*response.mutable_response()));
}

void StreamClassifier::Ended(const absl::Status& status) {
  std::vector<PendingRequests::Failed> failed;
  {
    Lock lock(mutex_);
    if (!closing_) failed = pending_.StreamEnded(status, absl::Now());
    WakeTimer();
  }
  TellAll(std::move(failed));
  // Only now: the destructor waits for it, and must not overtake those calls. Requests
  // that came during them have been queued.
  Lock lock(mutex_);
  call_ = nullptr;
  SendNext();
  changed_.notify_all();
}

}  // namespace patchserve
