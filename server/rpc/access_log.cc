#include "server/rpc/access_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "server/base/steady_clock.h"

namespace patchserve {
namespace {

// 00-TRACE-PARENT-FLAGS, in lower-case hexadecimal digits.
bool IsTraceparent(absl::string_view text) {
  constexpr absl::string_view kForm = "00-................................-................-..";
  if (text.size() != kForm.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool hex = absl::ascii_isdigit(text[i]) || (text[i] >= 'a' && text[i] <= 'f');
    if (kForm[i] == '.' ? !hex : text[i] != kForm[i]) return false;
  }
  return true;
}

}  // namespace

std::string TraceparentOf(const grpc::CallbackServerContext& context) {
  const auto found = context.client_metadata().find("traceparent");
  if (found == context.client_metadata().end()) return "";
  const absl::string_view text(found->second.data(), found->second.size());
  return IsTraceparent(text) ? std::string(text) : "";
}

AccessLog::AccessLog(double share, std::function<void(const AccessEntry&)> write,
                     std::string default_model, std::shared_ptr<TokenFile> tokens)
    : share_(share),
      write_(std::move(write)),
      default_model_(std::move(default_model)),
      tokens_(std::move(tokens)) {}

std::string AccessLog::TokenOf(const grpc::CallbackServerContext& call) const {
  if (tokens_ == nullptr) return "";
  const auto found = call.client_metadata().find("authorization");
  if (found == call.client_metadata().end()) return "";
  return tokens_->NameOf({found->second.data(), found->second.size()}).value_or("");
}

bool AccessLog::Sampled() {
  if (share_ <= 0) return false;
  const uint64_t index = seen_++;
  return static_cast<uint64_t>(share_ * (index + 1)) > static_cast<uint64_t>(share_ * index);
}

void AccessLog::Note(const grpc::CallbackServerContext& call, absl::Time arrival,
                     const Outcome& outcome) {
  if (!Sampled()) return;
  AccessEntry entry{.model = outcome.model.empty() ? default_model_ : std::string(outcome.model),
                    .traceparent = TraceparentOf(call),
                    .token = TokenOf(call),
                    .status = outcome.status,
                    .total = SteadyNow() - arrival,
                    .images = static_cast<int>(outcome.answers.size())};
  for (const Answer& answer : outcome.answers) {
    entry.model = answer.model->name;
    entry.decode = std::max(entry.decode, answer.decode);
    entry.queue = std::max(entry.queue, answer.queue);
    entry.run = std::max(entry.run, answer.run);
    entry.batch_size = std::max(entry.batch_size, answer.batch_size);
  }
  write_(entry);
}

}  // namespace patchserve
