#include "server/model/version.h"

#include <openssl/evp.h>

#include <memory>

#include "absl/strings/escaping.h"

namespace patchserve {

std::string VersionOf(std::string_view config, absl::Span<const std::string_view> weights) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(),
                                                                     &EVP_MD_CTX_free);
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr);
  EVP_DigestUpdate(hash.get(), config.data(), config.size());
  for (std::string_view file : weights) EVP_DigestUpdate(hash.get(), file.data(), file.size());
  EVP_DigestFinal_ex(hash.get(), reinterpret_cast<unsigned char*>(digest.data()), &size);
  return absl::BytesToHexString({digest.data(), size}).substr(0, 12);
}

}  // namespace patchserve
