// Whether bytes are those that a hub's ETag names.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

struct evp_md_ctx_st;  // OpenSSL's

namespace patchserve {

// Whether an ETag is a hash that Digest knows, in lower case: 64 digits, SHA-256 of a file in large
// file storage, or 40, git's hash of a small one. Nothing else becomes the name of a file.
bool IsDigest(absl::string_view etag);

// The hash of a file whose bytes come piece by piece.
class Digest {
 public:
  // `etag`: the one that is expected, which says the kind. `size`: of the whole file, which is a
  // part of git's hash.
  Digest(absl::string_view etag, int64_t size);
  ~Digest();

  void Add(absl::string_view piece);
  std::string Finish();  // in hexadecimal; to be called once, at the end

 private:
  const std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

}  // namespace patchserve
