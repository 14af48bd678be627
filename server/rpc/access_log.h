// The access log: what came of single requests.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "grpcpp/server_context.h"
#include "server/pipeline/answer.h"
#include "server/rpc/token_file.h"

namespace patchserve {

struct AccessEntry {
  std::string model;        // of an error: as the caller named it; "?": nobody could read it
  std::string traceparent;  // W3C's, empty if the call had none or a malformed one
  std::string token;        // its name; empty where none is wanted
  absl::Status status;
  absl::Duration total;  // from arrival to answer
  // Of the slowest image; zero where the request failed.
  absl::Duration decode, queue, run;
  int batch_size = 0;  // the largest that one of its images ran in
  int images = 0;      // zero where the request failed
};

// What a request has come to. Borrows.
struct Outcome {
  absl::string_view model;  // as the caller named it; empty: the default model
  const absl::Status& status;
  absl::Span<const Answer> answers;  // of its images; empty unless status is OK
};

inline Outcome OutcomeOf(absl::string_view model, const absl::StatusOr<Answer>& answer) {
  return {model, answer.status(),
          answer.ok() ? absl::MakeConstSpan(&*answer, 1) : absl::Span<const Answer>()};
}

inline Outcome OutcomeOf(absl::string_view model,
                         const absl::StatusOr<std::vector<Answer>>& answers) {
  return {model, answers.status(), answers.ok() ? *answers : absl::Span<const Answer>()};
}

// The call's W3C trace context, https://www.w3.org/TR/trace-context/, version 00; empty if it has
// none, or one that isn't well-formed.
std::string TraceparentOf(const grpc::CallbackServerContext& context);

// Thread-safe.
class AccessLog {
 public:
  // Logs `share` of the requests, 0 to 1, evenly: every fourth of them at 0.25. `write` is called
  // on the thread that answers, which waits for it. `tokens`: which calls have; null: none.
  AccessLog(double share, std::function<void(const AccessEntry&)> write, std::string default_model,
            std::shared_ptr<TokenFile> tokens = nullptr);

  // To be called once a request, before its answer is sent. `call` is the one that brought it.
  void Note(const grpc::CallbackServerContext& call, absl::Time arrival, const Outcome& outcome);

 private:
  bool Sampled();
  std::string TokenOf(const grpc::CallbackServerContext& call) const;

  const double share_;
  const std::function<void(const AccessEntry&)> write_;
  const std::string default_model_;
  const std::shared_ptr<TokenFile> tokens_;
  std::atomic<uint64_t> seen_ = 0;
};

}  // namespace patchserve
