// What a hub's refusal means, and what to do about it.
#pragma once

#include "absl/status/status.h"
#include "server/hub/environment.h"
#include "server/hub/http.h"
#include "server/hub/model_id.h"

namespace patchserve {

// For a response of 400 or above to a question about a model. A Retry-After is part of it
// (base/retry_after.h). Codes: as HubClient says.
absl::Status ErrorOfHub(const HttpResponse& response, const HubModelId& id,
                        const HubEnvironment& hub);

// Whether the model and revision are there, and the file isn't.
bool IsFileMissing(const HttpResponse& response);

}  // namespace patchserve
