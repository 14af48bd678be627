// When an admitted request will be answered: the one arithmetic behind admission, the rule that
// makes batches, and the decode stage.
#pragma once

#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "server/scheduling/model_queue.h"

namespace patchserve {

// The models of a device. Plain data.
struct DeviceQueues {
  std::vector<ModelQueue> models;
  int servers = 1;          // that work side by side: the runners, or 1 where they share a device
  double utilisation = 0;   // what comes over what can be done; 1: as much as can be done
  bool overloaded = false;  // with hysteresis
};

// How the device will go on if batches are made as the rule makes them: of each model in the order
// of deadlines, ModelQueue::batch images each; of several models the batch that is due first.
// Durations are from now on. For one decision; not thread-safe.
class Forecast {
 public:
  using Times = absl::InlinedVector<absl::Duration, 8>;

  // `free`: when each server will have done what it does; 0 for an idle one. `device` must outlive
  // this.
  Forecast(const DeviceQueues& device, Times free, absl::Time now);

  struct Request {
    int model = 0;
    absl::Time deadline;
    absl::Duration ready;  // when it will be decoded
  };
  struct Answer {
    absl::Duration start, end;  // of its batch
    int images = 1;             // of its batch
  };

  // What a request would find that came now. Its batch holds those that wait and those that are
  // likely to come until it starts; so do the batches of other models that go before it.
  Answer Newcomer(const Request& request) const;

  // Whether the newcomer would make an admitted request late that is in time without it.
  bool Harms(const Request& newcomer) const;

  // A batch of a queue.
  struct Place {
    int model = 0;
    int batch = 0;    // its number in the queue
    int waiting = 1;  // requests in the queue
    absl::Time due;
    absl::Duration ready;           // of the request that is asked for
    int at_least = 1;               // images in it
    bool more_come = false;         // requests that are likely to come count, too
    const Request* with = nullptr;  // of another model, as if it were admitted
  };
  Answer At(const Place& place) const;

  // When a server will be free; and when the next one will be, if the first is taken at `start` for
  // `run`.
  absl::Duration FirstFree() const { return free_.front(); }
  absl::Duration NextFree(absl::Duration start, absl::Duration run) const;

 private:
  absl::Duration OthersBefore(const ModelQueue& own, const ModelQueue& other,
                              const Place& place) const;

  const DeviceQueues& device_;
  Times free_;  // sorted
  const absl::Time now_;
};

}  // namespace patchserve
