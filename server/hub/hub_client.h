// What a hub is asked, over HTTP.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/hub/environment.h"
#include "server/hub/http.h"
#include "server/hub/model_id.h"
#include "server/hub/retries.h"

namespace patchserve {

struct HubFile {
  std::string name;  // "model.safetensors"
  std::string commit;
  std::string digest;  // IsDigest
  int64_t size = 0;    // bytes
};

// Not thread-safe. The token goes to the endpoint alone, never to where that redirects to.
// Errors of all: CANCELLED. UNAVAILABLE: no answer, or 429 or 5xx. PERMISSION_DENIED: 401 or 403;
// says whether a token is missing or a gated model's terms. NOT_FOUND: no such model or revision.
// FAILED_PRECONDITION: an answer that no hub gives, or of another commit than the one asked for.
class HubClient {
 public:
  // All must outlive this.
  HubClient(const HubEnvironment& hub, const std::atomic<bool>& cancelled, const WaitFunction& wait)
      : hub_(hub), cancelled_(cancelled), wait_(wait) {}

  // Nothing where the revision has no such file. Tries up to `most_tries` times.
  absl::StatusOr<std::optional<HubFile>> Find(const HubModelId& id, const std::string& file,
                                              int most_tries) const;

  // The names of the revision's files.
  absl::StatusOr<std::vector<std::string>> List(const HubModelId& id) const;

  // The file's bytes from `from` on, in pieces; one try. `body` is told where each begins, since
  // a server may send the file from its start. Errors beside: those of `body`.
  absl::Status Read(
      const HubModelId& id, const HubFile& file, int64_t from,
      absl::FunctionRef<absl::Status(int64_t offset, absl::string_view piece)> body) const;

 private:
  absl::StatusOr<HttpResponse> Send(std::string url, bool head, int64_t from, HttpBody body) const;

  const HubEnvironment& hub_;
  const std::atomic<bool>& cancelled_;
  const WaitFunction& wait_;
};

}  // namespace patchserve
