#include "server/hub/digest.h"

#include <openssl/evp.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace patchserve {
namespace {

constexpr size_t kSha1Digits = 40, kSha256Digits = 64;

}  // namespace

bool IsDigest(absl::string_view etag) {
  return (etag.size() == kSha1Digits || etag.size() == kSha256Digits) &&
         std::all_of(etag.begin(), etag.end(), [](unsigned char c) {
           return absl::ascii_isxdigit(c) && !absl::ascii_isupper(c);
         });
}

Digest::Digest(absl::string_view etag, int64_t size)
    : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
  const bool git = etag.size() == kSha1Digits;
  EVP_DigestInit_ex(context_.get(), git ? EVP_sha1() : EVP_sha256(), nullptr);
  // `git hash-object`: the kind and the length stand before the bytes.
  if (git) Add(absl::StrCat("blob ", size, absl::string_view("\0", 1)));
}

Digest::~Digest() = default;

void Digest::Add(absl::string_view piece) {
  EVP_DigestUpdate(context_.get(), piece.data(), piece.size());
}

std::string Digest::Finish() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_.get(), bytes, &size);
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes), size});
}

}  // namespace patchserve
