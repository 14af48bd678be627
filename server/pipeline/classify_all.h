// The images of one request that is answered as a whole.
#pragma once

#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/pipeline/answer.h"
#include "server/pipeline/classifier.h"
#include "server/pipeline/request.h"

namespace patchserve {

// Called exactly once, on any thread of the server's, when none of the images is on its
// way any more. The answers are in the order of the images.
using AllAnswered = absl::AnyInvocable<void(absl::StatusOr<std::vector<Answer>>) &&>;

// Classifies every image on its own: they are batched freely, with each other and with
// those of others. `images`: at least one, all for the model `model`, with the same
// arrival; pinned and given_up are set here. They are admitted all or none. The first one
// that fails later on fails the request: those that wait are dropped, and only those in a
// batch that runs already run for nothing.
// Counts as one request in the model's InferenceStatistics.
// Errors: as Classifier::Classify, naming the image's number where there are several;
// INVALID_ARGUMENT: together they have more bytes, or need more for decoding, than may ever be in
// flight.
void ClassifyAll(Classifier& classifier, const std::shared_ptr<const ServedModel>& model,
                 std::vector<ClassifyRequest> images, AllAnswered done);

}  // namespace patchserve
