#include "tests/pipeline/fake_model.h"

#include <array>
#include <utility>
#include <variant>

#include "server/base/steady_clock.h"

namespace patchserve {
namespace {

std::array<float, 3> FirstPixel(const ModelInput& image) {
  if (const auto* tensor = std::get_if<const float*>(&image)) {
    return {(*tensor)[0], (*tensor)[4], (*tensor)[8]};
  }
  const uint8_t* pixels = std::get<const uint8_t*>(image);
  return {static_cast<float>(pixels[0]), static_cast<float>(pixels[1]),
          static_cast<float>(pixels[2])};
}

}  // namespace

void FakeModel::Hold() {
  std::lock_guard lock(mutex_);
  held_ = true;
}

void FakeModel::Release() {
  std::lock_guard lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

void FakeModel::WaitUntilBusy(int batches) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return inside_ >= batches; });
}

std::vector<int> FakeModel::batch_sizes() {
  std::lock_guard lock(mutex_);
  return batch_sizes_;
}

std::vector<int> FakeModel::buckets() {
  std::lock_guard lock(mutex_);
  return buckets_;
}

absl::StatusOr<BatchOutput> FakeModel::Forward(absl::Span<const ModelInput> images, int bucket,
                                               bool embeddings) {
  {
    std::unique_lock lock(mutex_);
    batch_sizes_.push_back(static_cast<int>(images.size()));
    buckets_.push_back(bucket);
    ++inside_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
    --inside_;
  }
  if (absl::Status status = fail(static_cast<int>(images.size())); !status.ok()) return status;
  BatchOutput output;
  for (const ModelInput& image : images) {
    const std::array<float, 3> first = FirstPixel(image);
    for (float value : first) {
      if (classifies) output.logits.push_back(factor * value);
    }
    for (int i = 0; embeddings && i < 2; ++i) output.embeddings.push_back(factor * first[i]);
  }
  return output;
}

std::shared_ptr<ServedModel> FakeModel::Served(const std::string& name) {
  auto model = std::make_shared<ServedModel>();
  model->name = name;
  model->description.architecture = "fake";
  model->description.version = "0123456789ab";
  model->description.preprocessing = {.width = 2, .height = 2, .crop_pct = 1};
  if (classifies) {
    model->description.classes = {{"red", "Red"}, {"green", "Green"}, {"blue", "Blue"}};
  }
  model->description.embedding_size = 2;
  model->forward = [this](absl::Span<const ModelInput> images, int bucket, bool embeddings) {
    return Forward(images, bucket, embeddings);
  };
  model->buckets = {1, 2, 4};
  model->measured = {{1, absl::Milliseconds(1)}, {4, absl::Milliseconds(1)}};
  model->max_queue = 100;
  model->default_deadline = absl::Seconds(60);
  return model;
}

std::vector<uint8_t> Colour(uint8_t r, uint8_t g, uint8_t b) {
  return {r, g, b, r, g, b, r, g, b, r, g, b};
}

ClassifyRequest RequestFor(const std::vector<uint8_t>& pixels) {
  ClassifyRequest request;
  request.image = RawPixels{pixels, 2, 2, PixelFormat::kRgb};
  request.arrival = SteadyNow();
  return request;
}

AnswerCallback Answers::Next() {
  return [this](absl::StatusOr<Answer> answer) {
    std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
    came_.notify_all();
  };
}

void Answers::Forget() {
  std::lock_guard lock(mutex_);
  answers_.clear();
}

std::vector<absl::StatusOr<Answer>> Answers::WaitFor(size_t count) {
  std::unique_lock lock(mutex_);
  came_.wait(lock, [&] { return answers_.size() >= count; });
  return answers_;
}

}  // namespace patchserve
