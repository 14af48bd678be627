// The fake hub (fake_hub.py), run by a test.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "tests/temporary_folder.h"

namespace patchserve {

inline const std::string kFirstCommit(40, '1'), kSecondCommit(40, '2');

class FakeHub {
 public:
  FakeHub();
  ~FakeHub();
  FakeHub(const FakeHub&) = delete;
  FakeHub& operator=(const FakeHub&) = delete;

  const std::string& url() const { return url_; }

  // Files by name, at a commit that `main` means from now on.
  void Commit(const std::string& repository, const std::string& commit,
              const std::map<std::string, std::string>& files);
  // "refs/v1", "gated" ...
  void Write(const std::string& repository, const std::string& name, const std::string& contents);
  // As fake_hub.py says: "kind=cut&file=model.safetensors&bytes=10".
  void Fault(const std::string& query);
  // The requests so far, each "GET /path", without what follows a '?'.
  std::vector<std::string> Requests();
  // The whole log, as JSON.
  std::string Log();

 private:
  TemporaryFolder folder_;
  pid_t pid_ = -1;
  int to_ = -1;  // its standard input: it ends with that
  std::string url_;
};

}  // namespace patchserve
