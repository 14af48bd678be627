// A connection as cpp-httplib reads and writes it, with a limit of what is read and of the time.
#pragma once

#include <httplib.h>

#include <string>

#include "absl/time/time.h"

namespace patchserve {

class HttpStream final : public httplib::Stream {
 public:
  // `fd`: non-blocking; must outlive this.
  explicit HttpStream(int fd);

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override;
  ssize_t write(const char* from, size_t size) override;
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return fd_; }

 private:
  const int fd_;
  const absl::Time read_until_, write_until_;
  std::string buffer_;  // read from the connection; up to position_ by the library too
  size_t position_ = 0;
};

}  // namespace patchserve
