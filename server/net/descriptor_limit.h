// How many file descriptors the process may have.
#pragma once

#include <cstdint>

namespace patchserve {

struct DescriptorLimit {
  int64_t before = 0;  // the soft limit as it was
  int64_t now = 0;
};

// Raises the soft limit to the hard one: the usual soft limit, 1024, is there for programs that
// use select(), and fewer connections than that fit beside the server's own files.
DescriptorLimit RaiseDescriptorLimit();

}  // namespace patchserve
