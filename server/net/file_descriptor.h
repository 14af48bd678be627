// An open file descriptor, closed with its owner.
#pragma once

#include <unistd.h>

#include <utility>

namespace patchserve {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}  // -1: none
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.Release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) Close();
    fd_ = other.Release();
    return *this;
  }
  ~FileDescriptor() { Close(); }

  int get() const { return fd_; }
  // The caller closes it.
  int Release() { return std::exchange(fd_, -1); }

 private:
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  int fd_ = -1;
};

}  // namespace patchserve
