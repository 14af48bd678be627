#include "server/pipeline/classify_all.h"

#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "server/base/mutex.h"
#include "server/base/steady_clock.h"
#include "server/image/header.h"
#include "server/pipeline/model_input.h"

namespace patchserve {
namespace {

absl::Status Numbered(const absl::Status& status, int image) {
  absl::Status numbered(status.code(), absl::StrCat("image ", image, ": ", status.message()));
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { numbered.SetPayload(url, payload); });
  return numbered;
}

absl::Status AnotherFailed() { return absl::CancelledError("another image failed"); }

// Of what isn't a file that can be decoded, nothing: it is refused later.
std::vector<std::optional<ImageInfo>> ReadHeaders(absl::Span<const ClassifyRequest> images,
                                                  const ImageLimits& limits) {
  std::vector<std::optional<ImageInfo>> headers(images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    const auto* file = std::get_if<absl::Span<const uint8_t>>(&images[i].image);
    if (file == nullptr) continue;
    if (const auto header = ReadHeader(*file, limits); header.ok()) headers[i] = *header;
  }
  return headers;
}

// A tensor isn't decoded.
int64_t DecodingBytesOf(const RequestImage& image, const std::optional<ImageInfo>& header) {
  if (const auto* raw = std::get_if<RawPixels>(&image)) {
    return ImageInfo{.width = raw->width, .height = raw->height}.decoding_bytes();
  }
  return header ? header->decoding_bytes() : 0;
}

// Errors: INVALID_ARGUMENT: so large that there is never room for all of it.
absl::Status CheckFits(const Classifier& classifier, const ServedModel& model,
                       absl::Span<const ClassifyRequest> images,
                       absl::Span<const std::optional<ImageInfo>> headers) {
  if (images.size() == 1) return absl::OkStatus();  // it has room where nothing else is in flight
  int64_t decoding = 0, bytes = 0;
  for (size_t i = 0; i < images.size(); ++i) {
    decoding += DecodingBytesOf(images[i].image, headers[i]);
    bytes += BytesInFlight(images[i], model.description.preprocessing);
  }
  struct Sum {
    int64_t amount, limit;
    const char *unit, *flag;
  };
  for (const Sum& sum : {Sum{decoding, classifier.budgets().decoding,
                             "bytes while they are decoded", "--max_decoding_bytes"},
                         Sum{bytes, classifier.budgets().images,
                             "bytes, as sent, with the message around them, and as model input",
                             "--max_bytes_in_flight"}}) {
    const auto most = static_cast<int64_t>(RoomFor(images[0].criticality) * sum.limit);
    if (sum.amount <= most) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("the ", images.size(), " images have ", sum.amount, " ", sum.unit,
                     ", more than the ", most, " that may ever be in flight at its criticality (",
                     sum.flag, "): send fewer in a request"));
  }
  return absl::OkStatus();
}

// Shared by the images' callbacks.
class Joint {
 public:
  Joint(Classifier& classifier, std::shared_ptr<const ServedModel> model, int images,
        absl::Time arrival, AllAnswered done)
      : classifier_(classifier),
        model_(std::move(model)),
        arrival_(arrival),
        done_(std::move(done)),
        answers_(images),
        unanswered_(images) {}

  Cancellation& failed() { return failed_; }

  void Answered(int image, absl::StatusOr<Answer> answer) {
    bool first_to_fail = false, last = false;
    absl::Status error;
    std::vector<Answer> answers;
    {
      Lock lock(mutex_);
      if (answer.ok()) {
        answers_[image] = *std::move(answer);
      } else if (error_.ok()) {
        first_to_fail = true;
        error_ = answers_.size() == 1 ? answer.status() : Numbered(answer.status(), image);
      }
      last = --unanswered_ == 0;
      if (last) {
        error = error_;
        answers.swap(answers_);
      }
    }
    if (last) return Finish(error, std::move(answers));
    if (first_to_fail) classifier_.Cancel(failed_);
  }

 private:
  void Finish(const absl::Status& error, std::vector<Answer> answers) {
    CountRequest(*model_->metrics, error, answers, arrival_, SteadyNow());
    if (!error.ok()) return std::move(done_)(error);
    std::move(done_)(std::move(answers));
  }

  Classifier& classifier_;
  const std::shared_ptr<const ServedModel> model_;
  const absl::Time arrival_;
  AllAnswered done_;
  Cancellation failed_;
  Mutex mutex_;
  std::vector<Answer> answers_ ABSL_GUARDED_BY(mutex_);
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  int unanswered_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

void ClassifyAll(Classifier& classifier, const std::shared_ptr<const ServedModel>& model,
                 std::vector<ClassifyRequest> images, AllAnswered done) {
  const std::vector<std::optional<ImageInfo>> headers =
      ReadHeaders(images, classifier.options().limits);
  if (const absl::Status fits = CheckFits(classifier, *model, images, headers); !fits.ok()) {
    classifier.Refuse({.model = model->name, .arrival = images[0].arrival}, fits,
                      [done = std::move(done)](const absl::StatusOr<Answer>& refusal) mutable {
                        std::move(done)(refusal.status());
                      });
    return;
  }
  const int count = static_cast<int>(images.size());
  auto joint =
      std::make_shared<Joint>(classifier, model, count, images[0].arrival, std::move(done));
  // Work begins when all are admitted: if one is refused, no other was decoded in vain.
  std::vector<CallPtr> admitted;
  for (int i = 0; i < count; ++i) {
    if (joint->failed().requested()) {
      joint->Answered(i, AnotherFailed());
      continue;
    }
    images[i].pinned = model;
    images[i].header = headers[i] ? &*headers[i] : nullptr;
    images[i].given_up = &joint->failed();
    admitted.push_back(classifier.Admit(
        std::move(images[i]),
        [joint, i](absl::StatusOr<Answer> answer) { joint->Answered(i, std::move(answer)); }));
  }
  for (CallPtr& call : admitted) {
    if (call == nullptr) continue;  // the one that was refused
    if (joint->failed().requested()) {
      call->Finish(AnotherFailed());
    } else {
      classifier.Start(std::move(call));
    }
  }
}

}  // namespace patchserve
