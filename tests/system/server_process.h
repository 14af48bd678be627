// The real patchserve binary, or another that is made of its parts, run by a test.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace patchserve {

// Started with --address and --metrics_address on free ports of 127.0.0.1, and
// killed, if it still runs, with the test.
class ServerProcess {
 public:
  // `launcher`: a program with arguments that executes what follows them, such as a shell.
  // `program`: patchserve where it is empty.
  explicit ServerProcess(std::vector<std::string> arguments,
                         const std::vector<std::string>& launcher = {},
                         const std::string& program = "");
  ~ServerProcess();

  // Blocks until the log has `text`, or the process has ended; returns which.
  bool WaitForLog(const std::string& text);
  // Blocks until inference is served; false if the process ended instead.
  bool WaitUntilServing() { return WaitForLog(" serving\n"); }

  void Signal(int signal);
  // Blocks until the process ends; -1 if a signal ended it.
  int WaitForExit();

  std::string address();          // "127.0.0.1:PORT" of gRPC
  std::string metrics_address();  // of /metrics
  std::string health_address();   // of health alone, where --health_address is given
  std::string AddressAfter(const std::string& text);  // "127.0.0.1:PORT", of the log's "TEXTPORT"
  std::string log();
  pid_t pid() const { return pid_; }

 private:
  void ReadLog(int pipe);

  pid_t pid_ = -1;
  bool waited_ = false;
  std::mutex mutex_;
  std::condition_variable grew_;
  std::string log_;     // guarded by mutex_
  bool ended_ = false;  // guarded by mutex_
  std::thread reader_;
};

}  // namespace patchserve
