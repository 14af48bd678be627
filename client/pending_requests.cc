#include "client/pending_requests.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/retry_policy.h"
#include "server/base/proto_duration.h"

namespace patchserve {

void PendingRequests::Add(v1::ClassifyRequest request, absl::Duration deadline,
                          ClassifierClient::Done done, absl::Time now) {
  const uint64_t id = next_id_++;
  auto message = std::make_shared<Message>();
  *message->mutable_request() = std::move(request);
  message->mutable_request()->set_id(absl::StrCat(id));
  requests_.emplace(id, Request{.message = std::move(message),
                                .allowed = deadline,
                                .deadline = now + deadline,
                                .done = std::move(done),
                                .event = now + deadline});
  events_.emplace(now + deadline, id);
  to_send_.push_back(id);
}

bool PendingRequests::AnythingToSend() {
  while (!to_send_.empty() && !requests_.contains(to_send_.front())) to_send_.pop_front();
  return !to_send_.empty();
}

std::shared_ptr<const PendingRequests::Message> PendingRequests::NextToSend(absl::Time now) {
  Request& request = requests_.at(to_send_.front());
  to_send_.pop_front();
  request.state = State::kSent;
  ++request.tries;
  if (request.deadline != absl::InfiniteFuture()) {
    // The server wants more than 0; a request that is late here will be late there.
    const absl::Duration left = std::max(request.deadline - now, absl::Nanoseconds(1));
    *request.message->mutable_timeout() = ToProto(left);
  }
  return request.message;
}

std::optional<ClassifierClient::Done> PendingRequests::Answered(
    const std::string& id, const absl::Status& status, std::optional<absl::Duration> retry_after,
    absl::Time now) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(id, &number)) return std::nullopt;
  const auto request = requests_.find(number);
  if (request == requests_.end() || request->second.state != State::kSent) return std::nullopt;
  if (TryAgain(request, status.code(), retry_after, now)) return std::nullopt;
  return Remove(request);
}

std::vector<PendingRequests::Failed> PendingRequests::StreamEnded(const absl::Status& status,
                                                                  absl::Time now) {
  // RESOURCE_EXHAUSTED: one message was too large, and nobody knows whose. That one ends
  // the next stream too, so all have some tries, while their waits drift apart, and not
  // until their deadlines.
  constexpr int kTriesBesideTooLarge = 5;
  std::vector<Failed> failed;
  to_send_.clear();
  for (auto next = requests_.begin(); next != requests_.end();) {
    const auto request = next++;
    if (request->second.state == State::kWaitsForRetry) continue;
    if (request->second.state == State::kQueued) ++request->second.tries;
    absl::StatusCode code = status.code();
    if (code == absl::StatusCode::kResourceExhausted &&
        request->second.tries < kTriesBesideTooLarge) {
      code = absl::StatusCode::kUnavailable;
    }
    if (!TryAgain(request, code, std::nullopt, now)) failed.push_back({Remove(request), status});
  }
  return failed;
}

std::vector<PendingRequests::Failed> PendingRequests::Expired(absl::Time now) {
  std::vector<Failed> expired;
  while (!events_.empty() && events_.begin()->first <= now) {
    const auto request = requests_.find(events_.begin()->second);
    Request& r = request->second;
    if (r.deadline <= now) {
      const std::string allowed = absl::FormatDuration(r.allowed);
      expired.push_back({Remove(request),
                         absl::DeadlineExceededError(absl::StrCat("no answer within ", allowed))});
    } else {
      SetEvent(request, r.deadline);
      r.state = State::kQueued;
      to_send_.push_back(request->first);
    }
  }
  return expired;
}

absl::Time PendingRequests::NextEvent() const {
  return events_.empty() ? absl::InfiniteFuture() : events_.begin()->first;
}

std::vector<ClassifierClient::Done> PendingRequests::RemoveAll() {
  std::vector<ClassifierClient::Done> removed;
  while (!requests_.empty()) removed.push_back(Remove(requests_.begin()));
  return removed;
}

bool PendingRequests::TryAgain(Requests::iterator request, absl::StatusCode code,
                               std::optional<absl::Duration> retry_after, absl::Time now) {
  if (!retry_) return false;
  const double jitter = 2.0 * random_() / random_.max() - 1;
  const absl::Time next = now + RetryDelay(code, retry_after, request->second.tries, jitter);
  if (next >= request->second.deadline) return false;
  request->second.state = State::kWaitsForRetry;
  SetEvent(request, next);
  return true;
}

void PendingRequests::SetEvent(Requests::iterator request, absl::Time when) {
  events_.erase({request->second.event, request->first});
  request->second.event = when;
  events_.emplace(when, request->first);
}

ClassifierClient::Done PendingRequests::Remove(Requests::iterator request) {
  ClassifierClient::Done done = std::move(request->second.done);
  events_.erase({request->second.event, request->first});
  requests_.erase(request);
  return done;
}

}  // namespace patchserve
