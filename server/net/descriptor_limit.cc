#include "server/net/descriptor_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <limits>

namespace patchserve {
namespace {

int64_t Number(rlim_t limit) {
  return static_cast<int64_t>(std::min<rlim_t>(limit, std::numeric_limits<int64_t>::max()));
}

}  // namespace

DescriptorLimit RaiseDescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const int64_t before = Number(limit.rlim_cur);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return {.before = before, .now = Number(limit.rlim_cur)};
}

}  // namespace patchserve
