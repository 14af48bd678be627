// What LibTorch warns of on this thread, kept instead of written.
#pragma once

#include <c10/util/Exception.h>

#include <string>
#include <vector>

namespace patchserve {

class KeptWarnings final : private c10::WarningHandler {
 public:
  KeptWarnings() : guard_(this) {}
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  void process(const c10::Warning& warning) override { texts_.push_back(warning.msg()); }

  std::vector<std::string> texts_;
  c10::WarningUtils::WarningHandlerGuard guard_;
};

}  // namespace patchserve
