// Which work a device does next: the decision alone, without lock, clock or thread.
//
// The models of a device share it. Each has a queue in the order of deadlines. When
// a runner is free, the model whose first item has the earliest deadline goes, and
// takes with it as many of its own items as fit. So a batch grows while the device
// is busy, and a lone item leaves at once when it is idle. No model starves whose
// deadlines are alike: what waits only grows more urgent.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace patchserve {

enum class DropReason { kExpired, kCancelled };

template <typename Item>
class BatchRule {
 public:
  struct ModelOptions {
    int max_batch = 32;
    int max_queued = 256;
  };
  struct Dropped {
    Item item;
    DropReason reason;
  };
  struct Decision {
    int model = -1;           // -1: nothing to run
    std::vector<Item> batch;  // earliest deadline first
    std::vector<Dropped> dropped;
  };

  // `cancelled` tells of an item whether nobody waits for it any more.
  explicit BatchRule(std::function<bool(const Item&)> cancelled)
      : cancelled_(std::move(cancelled)) {}

  // Returns the model's number: 0, 1, 2 ...
  int AddModel(const ModelOptions& options) {
    queues_.push_back({options, {}});
    return static_cast<int>(queues_.size()) - 1;
  }

  // Batches of `model` hold at most `most` from now on; a limit is never raised.
  void LimitBatch(int model, int most) {
    int& max_batch = queues_[model].options.max_batch;
    max_batch = std::min(max_batch, most);
  }

  // Gives the item back if max_queued of its model wait already.
  std::optional<Item> Push(int model, Item item, absl::Time deadline) {
    Queue& queue = queues_[model];
    if (static_cast<int>(queue.items.size()) >= queue.options.max_queued) return item;
    queue.items.emplace(deadline, std::move(item));
    ++queued_;
    return std::nullopt;
  }

  // What a free runner does at the time `now`. Every item comes out exactly once:
  // in a batch, or dropped.
  Decision Next(absl::Time now) {
    Decision decision;
    while (decision.batch.empty()) {
      Queue* queue = MostUrgent();
      if (queue == nullptr) return decision;
      decision.model = static_cast<int>(queue - queues_.data());
      TakeBatch(*queue, now, decision);
    }
    return decision;
  }

  // Drops what has died while it waited: so that nobody waits for a batch to end to
  // learn that it was too late, and a dead item holds no place in the queue.
  std::vector<Dropped> TakeDead(absl::Time now) {
    std::vector<Dropped> dead;
    for (Queue& queue : queues_) {
      for (auto it = queue.items.begin(); it != queue.items.end();) {
        const auto reason = DeadBecause(it->first, it->second, now);
        if (!reason.has_value()) {
          ++it;
          continue;
        }
        dead.push_back({std::move(it->second), *reason});
        it = queue.items.erase(it);
        --queued_;
      }
    }
    return dead;
  }

  int queued() const { return queued_; }
  int queued(int model) const { return static_cast<int>(queues_[model].items.size()); }

 private:
  struct Queue {
    ModelOptions options;
    std::multimap<absl::Time, Item> items;  // by deadline; equal ones in order of arrival
  };

  std::optional<DropReason> DeadBecause(absl::Time deadline, const Item& item,
                                        absl::Time now) const {
    // In this order: gRPC also cancels a call whose deadline has passed.
    if (deadline <= now) return DropReason::kExpired;
    if (cancelled_(item)) return DropReason::kCancelled;
    return std::nullopt;
  }

  Queue* MostUrgent() {
    Queue* best = nullptr;
    for (Queue& queue : queues_) {
      if (queue.items.empty()) continue;
      if (best == nullptr || queue.items.begin()->first < best->items.begin()->first) best = &queue;
    }
    return best;
  }

  void TakeBatch(Queue& queue, absl::Time now, Decision& decision) {
    while (!queue.items.empty() &&
           static_cast<int>(decision.batch.size()) < queue.options.max_batch) {
      auto node = queue.items.extract(queue.items.begin());
      --queued_;
      if (const auto reason = DeadBecause(node.key(), node.mapped(), now)) {
        decision.dropped.push_back({std::move(node.mapped()), *reason});
      } else {
        decision.batch.push_back(std::move(node.mapped()));
      }
    }
    if (decision.batch.empty()) decision.model = -1;
  }

  std::function<bool(const Item&)> cancelled_;
  std::vector<Queue> queues_;
  int queued_ = 0;
};

}  // namespace patchserve
