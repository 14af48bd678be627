// A model without LibTorch, whose batches a test can hold and look at.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/pipeline/classifier.h"
#include "server/pipeline/model_registry.h"

namespace patchserve {

// Three classes; its input is one pixel of 2 x 2. The logits of a photo whose first
// pixel is (r, g, b) are r, g and b, its embedding is {r, g}. Of a tensor they are the first
// values of the three planes.
class FakeModel {
 public:
  // The next batches wait inside of the forward until Release.
  void Hold();
  void Release();
  void WaitUntilBusy(int batches);  // until so many wait inside

  // What a forward does instead, given the size of the batch; OK: the usual.
  std::function<absl::Status(int)> fail = [](int) { return absl::OkStatus(); };
  float factor = 1;        // on every logit and value of an embedding
  bool classifies = true;  // else it has neither classes nor logits

  // Of all that ran: how many images, and what they were padded to.
  std::vector<int> batch_sizes();
  std::vector<int> buckets();

  // As the server would make it of a folder. This must outlive it.
  std::shared_ptr<ServedModel> Served(const std::string& name);

 private:
  absl::StatusOr<BatchOutput> Forward(absl::Span<const ModelInput> images, int bucket,
                                      bool embeddings);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  int inside_ = 0;
  std::vector<int> batch_sizes_, buckets_;
};

// The pixels of a 2 x 2 picture of one colour.
std::vector<uint8_t> Colour(uint8_t r, uint8_t g, uint8_t b);
ClassifyRequest RequestFor(const std::vector<uint8_t>& pixels);

// Collects answers from any thread.
class Answers {
 public:
  AnswerCallback Next();
  // Blocks until so many came, and returns all of them, in the order they came in.
  std::vector<absl::StatusOr<Answer>> WaitFor(size_t count);
  void Forget();  // those that came, and the models that they hold

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<absl::StatusOr<Answer>> answers_;
};

}  // namespace patchserve
