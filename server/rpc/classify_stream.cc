#include "server/rpc/classify_stream.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/base/retry_after.h"
#include "server/base/status.h"
#include "server/rpc/deadline.h"
#include "server/rpc/messages.h"
#include "server/rpc/status.h"

namespace patchserve {

// One stream: at most one read and one write are under way, as gRPC demands. It
// ends when nothing is left to answer and nothing will be read any more, never
// before: so a request's answer always finds it alive.
class ClassifyStream final : public ClassifyStreams::Reactor {
 public:
  ClassifyStream(ClassifyStreams& streams, const grpc::CallbackServerContext& context)
      : streams_(streams), deadline_(DeadlineOf(context)) {}

  // Starts the first read; not in the constructor, so that Drain can come first.
  void Start() {
    std::lock_guard lock(mutex_);
    Proceed();
  }

  void Drain() {
    std::lock_guard lock(mutex_);
    draining_ = true;
    Proceed();
  }

  void OnReadDone(bool ok) override {
    std::unique_ptr<v1::ClassifyStreamRequest> message;
    {
      std::lock_guard lock(mutex_);
      reading_ = false;
      if (!ok) no_more_reads_ = true;
      if (ok && !finished_) {
        message = std::move(next_);
        ++unanswered_;
      }
    }
    if (message != nullptr) Classify(std::move(message));  // may answer at once: no lock is held
    std::lock_guard lock(mutex_);
    Proceed();
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    answers_.pop_front();
    --unanswered_;
    if (!ok) Abandon();
    Proceed();
  }

  void OnCancel() override {
    {
      std::lock_guard lock(mutex_);
      Abandon();
      Proceed();
    }
    streams_.classifier_.NoticeCancelled();
  }

  void OnDone() override {
    streams_.Closed(this);
    { std::lock_guard lock(mutex_); }  // a runner may still be leaving Answered
    delete this;
  }

 private:
  void Classify(std::unique_ptr<v1::ClassifyStreamRequest> message) {
    const absl::Time arrival = absl::Now();
    absl::StatusOr<ClassifyRequest> request = Read(*message, arrival);
    const ClassifyRequest unread{.model = message->request().model(), .arrival = arrival};
    // The message lives as long as the callback, and the request borrows from it.
    AnswerCallback done = [this, message = std::move(message)](absl::StatusOr<Answer> answer) {
      Answered(message->request(), std::move(answer));
    };
    if (request.ok()) {
      streams_.classifier_.Classify(*std::move(request), std::move(done));
    } else {
      streams_.classifier_.Refuse(unread, request.status(), std::move(done));
    }
  }

  absl::StatusOr<ClassifyRequest> Read(const v1::ClassifyStreamRequest& message,
                                       absl::Time arrival) {
    ASSIGN_OR_RETURN(ClassifyRequest request, ReadRequest(message.request()));
    request.arrival = arrival;
    request.no_later_than = deadline_;
    request.cancelled = &cancelled_;
    if (message.has_timeout()) {
      const absl::Duration timeout =
          absl::Seconds(message.timeout().seconds()) + absl::Nanoseconds(message.timeout().nanos());
      if (timeout <= absl::ZeroDuration()) {
        return absl::InvalidArgumentError(
            absl::StrCat("timeout is ", absl::FormatDuration(timeout), "; it must be positive"));
      }
      request.deadline = arrival + timeout;
    }
    return request;
  }

  void Answered(const v1::ClassifyRequest& request, absl::StatusOr<Answer> answer) {
    auto response = std::make_unique<v1::ClassifyStreamResponse>();
    response->set_id(request.id());
    if (answer.ok()) {
      WriteResponse(*answer, request, *response->mutable_response());
    } else {
      response->mutable_error()->set_code(static_cast<int>(answer.status().code()));
      response->mutable_error()->set_message(std::string(answer.status().message()));
      const std::optional<absl::Duration> pause = RetryAfter(answer.status());
      if (pause && *pause != absl::InfiniteDuration()) {
        WriteDuration(*pause, *response->mutable_error()->mutable_retry_after());
      }
    }
    std::lock_guard lock(mutex_);
    if (cancelled_) {
      --unanswered_;
    } else {
      answers_.push_back(std::move(response));
    }
    Proceed();
  }

  // Nobody listens any more: what waits to be written isn't. Needs mutex_.
  void Abandon() {
    cancelled_ = true;
    no_more_reads_ = true;
    const size_t kept = writing_ ? 1 : 0;  // gRPC still holds the first one
    unanswered_ -= static_cast<int>(answers_.size() - kept);
    answers_.resize(kept);
  }

  // Starts whatever can be started. Needs mutex_.
  void Proceed() {
    if (finished_) return;
    if (!writing_ && !answers_.empty()) {
      writing_ = true;
      StartWrite(answers_.front().get());
    }
    const bool ending = no_more_reads_ || draining_;
    if (!reading_ && !ending && unanswered_ < streams_.window_) {
      reading_ = true;
      next_ = std::make_unique<v1::ClassifyStreamRequest>();
      StartRead(next_.get());
    }
    if (ending && unanswered_ == 0) {
      finished_ = true;
      Finish(EndStatus());
    }
  }

  grpc::Status EndStatus() const {
    if (cancelled_) return {grpc::StatusCode::CANCELLED, "the caller cancelled"};
    if (no_more_reads_) return grpc::Status::OK;
    return {grpc::StatusCode::UNAVAILABLE, "the server is shutting down"};
  }

  ClassifyStreams& streams_;
  const absl::Time deadline_;
  std::atomic<bool> cancelled_ = false;  // set under mutex_
  std::mutex mutex_;
  // All guarded by mutex_:
  bool reading_ = false;
  bool writing_ = false;
  bool no_more_reads_ = false;
  bool draining_ = false;
  bool finished_ = false;
  int unanswered_ = 0;                                               // read, and not yet written
  std::unique_ptr<v1::ClassifyStreamRequest> next_;                  // being read
  std::deque<std::unique_ptr<v1::ClassifyStreamResponse>> answers_;  // the first being written
};

ClassifyStreams::ClassifyStreams(Classifier& classifier, OpenCalls& open_calls, int window)
    : classifier_(classifier), open_calls_(open_calls), window_(window) {}

ClassifyStreams::Reactor* ClassifyStreams::Open(const grpc::CallbackServerContext& context) {
  auto* stream = new ClassifyStream(*this, context);
  open_calls_.Opened();
  {
    std::lock_guard lock(mutex_);
    streams_.insert(stream);
    if (draining_) stream->Drain();
  }
  stream->Start();
  return stream;
}

void ClassifyStreams::Drain() {
  std::lock_guard lock(mutex_);
  draining_ = true;
  for (ClassifyStream* stream : streams_) stream->Drain();
}

void ClassifyStreams::Closed(ClassifyStream* stream) {
  {
    std::lock_guard lock(mutex_);
    streams_.erase(stream);
  }
  open_calls_.Closed();
}

}  // namespace patchserve
