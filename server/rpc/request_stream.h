// Many requests over one call. What a request is, the derived class says.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "server/base/mutex.h"
#include "server/base/steady_clock.h"
#include "server/rpc/caller.h"
#include "server/rpc/parsed_method.h"
#include "server/rpc/services.h"
#include "server/rpc/status.h"

namespace patchserve {

// The order in which answers are sent: as they come, or that of the requests.
enum class AnswerOrder { kAny, kAsRead };

// At most one read and one write are under way, as gRPC demands. It ends when nothing is
// left to answer and nothing will be read any more, never before: so a request's answer
// always finds it alive. Deletes itself. A message that can't be parsed is the last one that is
// read: the stream answers those before it, and ends INVALID_ARGUMENT.
template <typename Request, typename Response>
class RequestStream : public grpc::ServerBidiReactor<grpc::ByteBuffer, Response>,
                      public OpenStream {
 public:
  // While services.stream_window requests are unanswered, or answers of a MiB aren't sent, the
  // stream isn't read, and gRPC's flow control holds the client back.
  RequestStream(const Services& services, AnswerOrder order,
                const grpc::CallbackServerContext& context)
      : services_(services),
        context_(context),
        order_(order),
        deadline_(DeadlineOf(context)),
        retried_(IsRetry(context)) {}

  // To be called once, after the constructor.
  void Start() {
    services_.open_calls.Opened(this);  // which may Drain it
    Lock lock(mutex_);
    Proceed();
  }

  void Drain() final {
    Lock lock(mutex_);
    draining_ = true;
    Proceed();
  }

  void OnReadDone(bool ok) final {
    auto message = ok ? std::make_unique<Request>() : nullptr;
    const absl::Status read = ok ? Parse(std::exchange(next_, {}), *message) : absl::OkStatus();
    if (!read.ok()) message = nullptr;
    Place place{.arrival = SteadyNow()};
    {
      Lock lock(mutex_);
      reading_ = false;
      if (message == nullptr) no_more_reads_ = true;
      refused_ = read;
      if (finished_) message = nullptr;
      if (message != nullptr) {
        ++unanswered_;
        place.number = read_++;
        if (order_ == AnswerOrder::kAsRead && !cancelled_) answers_.push_back(nullptr);
      }
    }
    if (message != nullptr) Handle(std::move(message), place);  // may answer at once: no lock
    if (!read.ok()) CountRefused(services_, context_, place.arrival, read);
    Lock lock(mutex_);
    Proceed();
  }

  void OnWriteDone(bool ok) final {
    Lock lock(mutex_);
    writing_ = false;
    unsent_bytes_ -= answers_.front()->ByteSizeLong();
    answers_.pop_front();
    ++written_;
    --unanswered_;
    if (!ok) Abandon();
    Proceed();
  }

  void OnCancel() final {
    {
      Lock lock(mutex_);
      Abandon();
      Proceed();
    }
    services_.classifier.Cancel(cancellation_);
  }

  void OnDone() final {
    services_.open_calls.Closed(this);
    { Lock lock(mutex_); }  // a runner may still be leaving Answered
    delete this;
  }

 protected:
  virtual ~RequestStream() = default;

  // A request's in the stream.
  struct Place {
    int64_t number = 0;
    absl::Time arrival;
  };

  // Answers the message through Answered, once, here or later on any thread.
  virtual void Handle(std::unique_ptr<Request> message, Place place) = 0;

  void Answered(Place place, std::unique_ptr<Response> answer, const Outcome& outcome) {
    services_.access_log.Note(context_, place.arrival, outcome);
    Lock lock(mutex_);
    if (cancelled_) {
      --unanswered_;
      return Proceed();
    }
    unsent_bytes_ += answer->ByteSizeLong();
    if (order_ == AnswerOrder::kAsRead) {
      answers_[place.number - written_] = std::move(answer);
    } else {
      answers_.push_back(std::move(answer));
    }
    Proceed();
  }

  // What a request of this stream needs to know of its caller.
  Caller caller(const Place& place) { return {place.arrival, deadline_, retried_, &cancellation_}; }

  const Services& services_;

 private:
  static constexpr size_t kMostUnsent = 1 << 20;

  // What waits to be written isn't.
  void Abandon() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    cancelled_ = true;
    no_more_reads_ = true;
    const size_t kept = writing_ ? 1 : 0;  // gRPC still holds the first one
    for (size_t i = kept; i < answers_.size(); ++i) {
      if (answers_[i] != nullptr) --unanswered_;
    }
    answers_.resize(kept);
  }

  // Starts whatever can be started.
  void Proceed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_) return;
    if (!writing_ && !answers_.empty() && answers_.front() != nullptr) {
      writing_ = true;
      this->StartWrite(answers_.front().get());
    }
    const bool ending = no_more_reads_ || draining_;
    const bool room = unanswered_ < services_.stream_window && unsent_bytes_ < kMostUnsent;
    if (!reading_ && !ending && room) {
      reading_ = true;
      this->StartRead(&next_);
    }
    if (ending && unanswered_ == 0) {
      finished_ = true;
      this->Finish(EndStatus());
    }
  }

  grpc::Status EndStatus() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (cancelled_) return {grpc::StatusCode::CANCELLED, "the caller cancelled"};
    if (!refused_.ok()) return ToGrpc(refused_);
    if (no_more_reads_) return grpc::Status::OK;
    return {grpc::StatusCode::UNAVAILABLE, "the server is shutting down"};
  }

  const grpc::CallbackServerContext& context_;
  const AnswerOrder order_;
  const absl::Time deadline_;  // of the whole stream
  const bool retried_;
  Cancellation cancellation_;
  grpc::ByteBuffer next_;  // gRPC's while it reads
  Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool no_more_reads_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status refused_ ABSL_GUARDED_BY(mutex_);  // why the last message wasn't read
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  int unanswered_ ABSL_GUARDED_BY(mutex_) = 0;       // read, and not yet written
  size_t unsent_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // of answers
  // Messages in all.
  int64_t read_ ABSL_GUARDED_BY(mutex_) = 0, written_ ABSL_GUARDED_BY(mutex_) = 0;
  // The first being written; null: not there yet, and has to come before those after it.
  std::deque<std::unique_ptr<Response>> answers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace patchserve
