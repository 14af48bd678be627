// Classifies many images over one ClassifyStream call, which costs less than a call an
// image: for bulk.
//
//   StreamClassifier stream(Connect("127.0.0.1:8001"), {.max_unanswered = 32});
//   stream.ClassifyAsync(jpeg_bytes, {}, [](ClassifierClient::Answer answer) { ... });
#pragma once

#include <grpcpp/channel.h>

#include <condition_variable>
#include <memory>
#include <string>
#include <thread>

#include "client/classifier_client.h"
#include "client/pending_requests.h"
#include "patchserve/v1/classification.grpc.pb.h"
#include "server/base/mutex.h"

namespace patchserve {

struct StreamOptions {
  // The most requests that may be without an answer; their images are in memory.
  int max_unanswered = 64;
  // Whether requests are tried again, as a ClassifierClient's are; the server's pushback
  // is the message's Error.retry_after here. If the stream ends RESOURCE_EXHAUSTED, one
  // message was larger than the server takes: then each has five tries.
  bool retry = true;
};

// Thread-safe. The first request opens the stream. When the stream ends (the server
// stops, the connection breaks), its status is the answer to every unanswered request,
// which is then tried again or is over; the next one to be sent opens a new stream. How
// often a broken connection is tried is the channel's matter.
class StreamClassifier {
 public:
  using Answer = ClassifierClient::Answer;
  using Done = ClassifierClient::Done;

  explicit StreamClassifier(std::shared_ptr<grpc::Channel> channel, StreamOptions options = {});

  // Requests that are unanswered get CANCELLED. Blocks until every `done` has returned;
  // not to be called in one.
  ~StreamClassifier();

  // As ClassifierClient::ClassifyAsync, with the same errors, but answers come in any
  // order, and with max_unanswered requests unanswered the answer is at once
  // RESOURCE_EXHAUSTED (on the calling thread, not tried again). options.deadline is kept
  // here too, so that a server which is stuck can't hold a request.
  //
  // Never blocks; may be called in a `done`, which runs on a thread of gRPC or of this
  // object and should be short: answers behind it may wait.
  void ClassifyAsync(std::string image, const ClassifyOptions& options, Done done);

 private:
  class Call;

  void SendNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeTimer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RunTimer();
  void Received(v1::ClassifyStreamResponse response);
  void Ended(const absl::Status& status);

  const StreamOptions options_;
  const std::unique_ptr<v1::ImageClassification::Stub> stub_;
  Mutex mutex_;
  std::condition_variable changed_;  // timer_at_, closing_ or call_
  PendingRequests pending_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Call> call_ ABSL_GUARDED_BY(mutex_);                    // the open stream, if any
  absl::Time timer_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();  // when it wakes up
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread timer_;
};

}  // namespace patchserve
