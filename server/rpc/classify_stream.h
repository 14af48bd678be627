// The ClassifyStream calls.
#pragma once

#include <mutex>
#include <set>

#include "grpcpp/grpcpp.h"
#include "patchserve/v1/classification.grpc.pb.h"
#include "server/pipeline/classifier.h"
#include "server/rpc/open_calls.h"

namespace patchserve {

class ClassifyStream;

// The streams that are open. Thread-safe.
class ClassifyStreams {
 public:
  using Reactor = grpc::ServerBidiReactor<v1::ClassifyStreamRequest, v1::ClassifyStreamResponse>;

  // `classifier` and `open_calls` must outlive this. `window` is the most unanswered requests of
  // one stream: while so many are, it isn't read, and gRPC's flow control holds the client back.
  ClassifyStreams(Classifier& classifier, OpenCalls& open_calls, int window);

  Reactor* Open(const grpc::CallbackServerContext& context);

  // Every stream, present or future, reads no more, answers what it has read, and
  // ends with UNAVAILABLE. Returns at once.
  void Drain();

 private:
  friend class ClassifyStream;
  void Closed(ClassifyStream* stream);

  Classifier& classifier_;
  OpenCalls& open_calls_;
  const int window_;
  std::mutex mutex_;
  bool draining_ = false;              // guarded by mutex_
  std::set<ClassifyStream*> streams_;  // guarded by mutex_
};

}  // namespace patchserve
