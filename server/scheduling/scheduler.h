// What a device does next, and which requests it takes in: the decisions alone, without lock, clock
// or thread. docs/scheduling.md is its theory.
//
// Of two requests the one with the earlier deadline goes first (EDF). A request is admitted if the
// forecast (forecast.h) says that it will be in time and makes no admitted one late; so every
// request that waits here has a promise, and a free runner just takes the next batch. Sources: the
// processor-demand criterion for EDF is Baruah, Rosier and Howell's (1990); planning with measured
// times is Clockwork's (OSDI 2020); waiting on an idle device Symphony's (arXiv 2308.07470).
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "absl/time/time.h"
#include "server/base/criticality.h"
#include "server/scheduling/cost_model.h"
#include "server/scheduling/forecast.h"

namespace patchserve {

// A request that is still to be decoded asks for a place.
struct Asking {
  int model = 0;
  Criticality criticality = Criticality::kDefault;
  absl::Time deadline;
  absl::Duration decode_wait, decode;  // before it is decoded, and its own decoding
  bool retried = false;                // it was refused before, and counted then
};

struct Admission {
  enum class Answer {
    kAdmitted,
    kNoPlace,   // max_queued of its model wait
    kLate,      // too much waits before it
    kHarmful,   // an admitted request would be late
    kHopeless,  // it would be late on an idle device too
  };
  Answer answer = Answer::kAdmitted;
  int64_t ticket = -1;  // if admitted: names it from here on
  // The forecast: until its batch starts, and the batch. Of one that is hopeless: its decoding, and
  // a batch of its own.
  absl::Duration wait, run;
  absl::Duration margin;       // kept for what the forecast can't know, and for the more critical
  absl::Duration retry_after;  // the later the more comes
  // Of all that run at once: what the request adds to the utilisation, in full batches.
  absl::Duration work;
};

// Not thread-safe. Times are of one clock that never steps.
class Scheduler {
 public:
  struct Options {
    int runners = 1;
    // Whether the runners share one device, as streams of a GPU do: two batches at once take as
    // long as one after the other. Else each has a core of its own.
    bool shared_device = false;
    // No request waits longer than this for others to join its batch.
    absl::Duration max_delay = absl::InfiniteDuration();
  };

  explicit Scheduler(const Options& options);

  // Returns the model's number: 0, 1, 2 ..., or one that was given back. A batch of it that is
  // alone on the device has 1, 2, 4 ... of the runners' cores, as many as are worth it and at most
  // `cores_of_lone`.
  int AddModel(int max_queued, CostModel cost, int cores_of_lone = 1);
  // Gives the number back. Nothing of the model may wait.
  void RemoveModel(int model);
  // Batches of `model` hold at most so many from now on.
  void LimitBatch(int model, int most);

  // O(log n) for n that wait. An admitted request keeps its place until it is in a Batch, or Leave.
  Admission Admit(const Asking& asking, absl::Time now);
  // It is decoded, and may run. False: it doesn't wait any more.
  bool Ready(int64_t ticket, absl::Time now);
  // It was cancelled, couldn't be decoded, or is late. False: it couldn't have been in time any
  // more, or doesn't wait.
  bool Leave(int64_t ticket, absl::Time now);
  // Whether a request can be answered in time in a batch of so many images that starts now.
  bool InTime(int model, absl::Time deadline, absl::Time now, int images = 1) const;

  struct Batch {
    int model = -1;    // -1: nothing to run now
    int bucket = 0;    // the size that it runs in
    int64_t run = -1;  // its number, for Ended
    int cores = 1;     // more where it is alone
    std::vector<int64_t> requests;
    std::vector<int64_t> late;                 // that can't be in time any more: they have left
    absl::Time wake = absl::InfiniteFuture();  // ask again then, if nothing comes before
  };
  // What a free runner does. If `draining`, it doesn't wait for more.
  Batch Next(absl::Time now, bool draining = false);
  // The batch of that run is over. `ok`: it took the time of its bucket, which can be learned.
  // Returns whether it was: else its answers teach nothing, either.
  bool Ended(int64_t run, absl::Time now, bool ok = true);
  // A batch of the model is answered: so many requests, of which so many too late.
  void Answered(int model, int requests, int late);

  // A runner does something else, and will for so long; returns the run, for Ended.
  int64_t Occupy(absl::Duration expected, absl::Time now);

  // How long a request for the model without a deadline would wait for its batch, if it came now.
  absl::Duration Wait(int model, absl::Time now) const;
  // How the device goes on. Good until the next call that isn't const.
  Forecast Now(absl::Time now) const;

  int ready() const { return ready_; }  // decoded requests that wait, of all models
  const DeviceQueues& device() const { return device_; }

 private:
  struct Entry {
    int model = 0;
    absl::Time deadline, ready_at;
    bool ready = false;
  };
  struct Run {
    int model = -1;  // -1: it isn't a batch
    int bucket = 0;
    absl::Time started;
    absl::Duration takes;  // expected, on one core
    int cores = 1;
    bool learns = false;  // what it takes is what its bucket takes
  };
  struct Choice {
    int model = -1;
    int images = 0;
    int bucket = 0;
    absl::Time deadline;  // of its first request
  };

  // Whether it keeps others from running: what isn't a batch keeps a runner, but not a shared
  // device.
  bool Keeps(const Run& run) const { return run.model >= 0 || !options_.shared_device; }
  int UnderWay() const;  // that keep others from running
  void Remove(int64_t ticket);
  void NoteLoad(absl::Time now);
  Admission::Answer Judge(const Asking& asking, const Forecast& forecast, absl::Time now,
                          Admission& admission) const;
  void TakeLate(absl::Time earliest, Batch& batch);
  Choice Choose(const Forecast& forecast, absl::Time now);
  absl::Duration LeastUsed() const;  // of the device, by a model that waits
  Choice Front(int model, absl::Duration start, absl::Time now) const;
  absl::Time WaitUntil(const Choice& choice, const Forecast& forecast, absl::Time now) const;
  void Take(const Choice& choice, absl::Time now, Batch& batch);

  const Options options_;
  DeviceQueues device_;
  std::vector<int> unused_models_;
  std::unordered_map<int64_t, Entry> waiting_;  // by ticket
  int64_t last_ticket_ = -1;
  std::map<int64_t, Run> runs_;  // under way, by number: in the order of their start
  int64_t last_run_ = -1;
  int ready_ = 0;
  absl::Duration turn_;  // what the model with least has used of the device
  absl::Time device_free_ = absl::InfinitePast();  // of a shared one: when its last batch ended
};

}  // namespace patchserve
