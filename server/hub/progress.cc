#include "server/hub/progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace patchserve {
namespace {

constexpr absl::Duration kTellEvery = absl::Milliseconds(500), kLogEvery = absl::Seconds(10);
constexpr double kMegabyte = 1e6;

}  // namespace

Progress::Progress(std::string name, int64_t size, absl::Time start, Tell tell, Tell log)
    : name_(std::move(name)),
      size_(size),
      start_(start),
      tell_(std::move(tell)),
      log_(std::move(log)),
      logged_(start) {}

void Progress::Update(int64_t bytes, absl::Time now) {
  if (before_ < 0) before_ = bytes;
  const bool end = bytes == size_;
  if (!end && now - told_ < kTellEvery) return;
  const std::string text = Text(bytes, now);
  told_ = now;
  tell_(text);
  if (!end && now - logged_ < kLogEvery) return;
  logged_ = now;
  log_(text);
}

std::string Progress::Text(int64_t bytes, absl::Time now) const {
  const double seconds = std::max(absl::ToDoubleSeconds(now - start_), 1e-3);
  return absl::StrFormat("fetching %s: %.1f of %.1f MB (%d %%), %.1f MB/s", name_,
                         bytes / kMegabyte, size_ / kMegabyte,
                         size_ == 0 ? 100 : static_cast<int>(100.0 * bytes / size_),
                         (bytes - before_) / kMegabyte / seconds);
}

}  // namespace patchserve
