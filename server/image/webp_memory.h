// Bounds what libwebp allocates.
#pragma once

#include <cstdint>

namespace patchserve {

// While it lives, libwebp gets no more than `bytes` on this thread, and fails where it wants more.
// A lossless picture may name 65,536 groups of codes, whose tables take 20 kB each, in a file of
// 300 kB, and nothing in its headers tells. What is allocated within its life is freed within it.
class WebPMemoryLimit {
 public:
  explicit WebPMemoryLimit(int64_t bytes);
  ~WebPMemoryLimit();

  // Whether it wanted more.
  bool reached() const;
  WebPMemoryLimit(const WebPMemoryLimit&) = delete;
  WebPMemoryLimit& operator=(const WebPMemoryLimit&) = delete;
};

}  // namespace patchserve
