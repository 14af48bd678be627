#include "server/model/recorded_network.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "server/model/normalization.h"

namespace patchserve {
namespace {

cuda::ValueType TypeOf(const at::TensorOptions& target) {
  if (target.dtype() == at::kBFloat16) return cuda::ValueType::kBFloat16;
  if (target.dtype() == at::kHalf) return cuda::ValueType::kFloat16;
  return cuda::ValueType::kFloat32;
}

}  // namespace

class RecordedNetwork::Taken {
 public:
  Taken(RecordedNetwork& network, int count) : network_(network) {
    Lock lock(network.mutex_);
    while (static_cast<int>(network.free_.size()) < count) network.given_back_.wait(lock);
    slots_.assign(network.free_.end() - count, network.free_.end());
    network.free_.resize(network.free_.size() - count);
  }
  ~Taken() {
    {
      Lock lock(network_.mutex_);
      network_.free_.insert(network_.free_.end(), slots_.begin(), slots_.end());
    }
    network_.given_back_.notify_all();
  }
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;

  const std::vector<Slot*>& slots() const { return slots_; }

 private:
  RecordedNetwork& network_;
  std::vector<Slot*> slots_;
};

RecordedNetwork::RecordedNetwork(GraphDevice& device, Network network,
                                 const ModelDescription& description,
                                 const at::TensorOptions& target, int max_batch)
    : device_(device),
      network_(std::move(network)),
      height_(description.preprocessing.height),
      width_(description.preprocessing.width),
      classes_(static_cast<int64_t>(description.classes.size())),
      embedding_size_(description.embedding_size),
      max_batch_(max_batch),
      target_(target),
      table_(Normalization(description.preprocessing, target.device(at::kCPU))
                 .table()
                 .to(target.device())) {
  for (int i = 0; i < kInFlight; ++i) slots_.push_back(MakeSlot());
  for (Slot& slot : slots_) free_.push_back(&slot);
}

RecordedNetwork::Slot RecordedNetwork::MakeSlot() const {
  const auto floats = [this](int64_t count) {
    return std::static_pointer_cast<float>(
        device_.HostMemory(std::max<int64_t>(count, 1) * sizeof(float)));
  };
  return {.input = at::zeros({max_batch_, height_, width_, 3}, target_),
          .logits = floats(max_batch_ * classes_),
          .embedding = floats(max_batch_ * embedding_size_)};
}

void RecordedNetwork::Record(int bucket) {
  {
    Lock lock(mutex_);
    if (recorded_.contains(bucket)) return;
  }
  Lock lock(recording_);
  // No batch is in a graph while it is recorded: it runs once for real.
  const Taken all(*this, kInFlight);
  if (slots_.front().graphs.contains(bucket)) return;
  std::vector<std::unique_ptr<GraphDevice::Graph>> graphs;
  for (Slot& slot : slots_) graphs.push_back(Record(slot, bucket));
  for (int i = 0; i < kInFlight; ++i) slots_[i].graphs[bucket] = std::move(graphs[i]);
  Lock done(mutex_);
  recorded_.insert(bucket);
}

std::unique_ptr<GraphDevice::Graph> RecordedNetwork::Record(Slot& slot, int bucket) {
  return device_.Record([this, input = slot.input.narrow(0, 0, bucket), logits = slot.logits,
                         embedding = slot.embedding] {
    const NetworkOutput output = network_.run(input);
    if (output.logits.defined())
      device_.CopyOut(output.logits.to(at::kFloat).contiguous(), logits.get());
    device_.CopyOut(output.embedding.to(at::kFloat).contiguous(), embedding.get());
  });
}

std::vector<cuda::Gather> RecordedNetwork::GatherInto(const Slot& slot,
                                                      absl::Span<const ModelInput> images) const {
  std::vector<cuda::Gather> gathers;
  for (size_t i = 0; i < images.size(); ++i) {
    if (i % cuda::Gather::kMostImages == 0) {
      gathers.push_back({.type = TypeOf(target_),
                         .pixels = height_ * width_,
                         .table = table_.const_data_ptr(),
                         .out = slot.input.select(0, static_cast<int64_t>(i)).mutable_data_ptr()});
    }
    std::visit(
        [&](const auto* image) {
          gathers.back().Add(image, std::holds_alternative<const float*>(images[i]));
        },
        images[i]);
  }
  return gathers;
}

BatchOutput RecordedNetwork::Run(absl::Span<const ModelInput> images, int bucket, bool embeddings) {
  const Taken one(*this, 1);
  Slot& slot = *one.slots().front();
  device_.Run(GatherInto(slot, images), *slot.graphs.at(bucket));
  const auto rows = static_cast<int64_t>(images.size());
  BatchOutput output;
  output.logits.assign(slot.logits.get(), slot.logits.get() + rows * classes_);
  if (embeddings) {
    const float* const values = slot.embedding.get();
    output.embeddings.assign(values, values + rows * embedding_size_);
  }
  return output;
}

}  // namespace patchserve
