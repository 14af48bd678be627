#include "server/model/torch_warnings.h"

#include <c10/util/Exception.h>

#include <utility>

namespace patchserve {
namespace {

class WarningsTo final : public c10::WarningHandler {
 public:
  explicit WarningsTo(std::function<void(const std::string&)> write) : write_(std::move(write)) {}
  void process(const c10::Warning& warning) override { write_(warning.msg()); }

 private:
  const std::function<void(const std::string&)> write_;
};

// Never destroyed: threads may outlive main.
c10::WarningHandler* handler = nullptr;

}  // namespace

void SendTorchWarnings(std::function<void(const std::string&)> write) {
  handler = new WarningsTo(std::move(write));
  SendTorchWarningsOfThisThread();
}

void SendTorchWarningsOfThisThread() {
  if (handler != nullptr) c10::WarningUtils::set_warning_handler(handler);
}

}  // namespace patchserve
