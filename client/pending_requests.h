// The requests of a StreamClassifier that are not answered yet: which is sent next,
// which is tried again and when, and which has waited too long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/classifier_client.h"
#include "patchserve/v1/classification.pb.h"

namespace patchserve {

// Plain code: no lock, clock or thread. Every request leaves once: by Answered,
// StreamEnded, Expired or RemoveAll, whose caller then owes its `done` a result.
class PendingRequests {
 public:
  // A request that is over without an answer, and why.
  struct Failed {
    ClassifierClient::Done done;
    absl::Status status;
  };
  using Message = v1::ClassifyStreamRequest;

  // With `retry`, requests are tried again by RetryDelay until their deadlines; without it
  // each is sent once.
  PendingRequests(bool retry, uint64_t seed) : retry_(retry), random_(seed) {}

  // Queues the request; its id and timeout are written here.
  void Add(v1::ClassifyRequest request, absl::Duration deadline, ClassifierClient::Done done,
           absl::Time now);

  bool AnythingToSend();

  // The longest waiting message, to be written now, with the time that is left to it.
  // It stays unchanged until it is answered or the stream has ended. Needs
  // AnythingToSend().
  std::shared_ptr<const Message> NextToSend(absl::Time now);

  // `id` was answered with `status`, and if that is a refusal, with the time after which
  // to try again, if there is one. Returns whom to tell; nullopt if nobody, because no
  // such request is out (any more), or it will be tried again.
  std::optional<ClassifierClient::Done> Answered(const std::string& id, const absl::Status& status,
                                                 std::optional<absl::Duration> retry_after,
                                                 absl::Time now);

  // The stream is over: `status`, not OK, is the answer to all, sent or not. Returns
  // those that aren't tried again.
  std::vector<Failed> StreamEnded(const absl::Status& status, absl::Time now);

  // To be called at NextEvent(): queues what is due for another try, and returns the
  // requests whose deadline has passed (DEADLINE_EXCEEDED).
  std::vector<Failed> Expired(absl::Time now);
  absl::Time NextEvent() const;  // absl::InfiniteFuture(): none

  std::vector<ClassifierClient::Done> RemoveAll();

  size_t size() const { return requests_.size(); }

 private:
  enum class State { kQueued, kSent, kWaitsForRetry };
  struct Request {
    std::shared_ptr<Message> message;
    absl::Duration allowed;
    absl::Time deadline;
    ClassifierClient::Done done;
    absl::Time event;  // the next try if it waits for one, else the deadline
    int tries = 0;
    State state = State::kQueued;
  };
  using Requests = std::map<uint64_t, Request>;

  bool TryAgain(Requests::iterator request, absl::StatusCode code,
                std::optional<absl::Duration> retry_after, absl::Time now);
  void SetEvent(Requests::iterator request, absl::Time when);
  ClassifierClient::Done Remove(Requests::iterator request);

  bool retry_;
  std::minstd_rand random_;
  uint64_t next_id_ = 1;
  Requests requests_;                                 // by id
  std::deque<uint64_t> to_send_;                      // the queued ids, and some that are over
  std::set<std::pair<absl::Time, uint64_t>> events_;  // one a request
};

}  // namespace patchserve
