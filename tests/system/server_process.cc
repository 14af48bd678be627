#include "tests/system/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

extern char** environ;

namespace patchserve {

ServerProcess::ServerProcess(std::vector<std::string> arguments,
                             const std::vector<std::string>& launcher, const std::string& program) {
  arguments.insert(arguments.begin(), {program.empty() ? PATCHSERVE_PROGRAM : program,
                                       "--address=127.0.0.1:0", "--metrics_address=127.0.0.1:0"});
  arguments.insert(arguments.begin(), launcher.begin(), launcher.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  int log_pipe[2];
  if (pipe2(log_pipe, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, log_pipe[1], STDERR_FILENO);
  if (posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) {
    throw std::runtime_error("posix_spawn");
  }
  posix_spawn_file_actions_destroy(&actions);
  close(log_pipe[1]);
  reader_ = std::thread([this, end = log_pipe[0]] { ReadLog(end); });
}

ServerProcess::~ServerProcess() {
  if (!waited_) {
    Signal(SIGKILL);
    WaitForExit();
  }
  reader_.join();
}

void ServerProcess::ReadLog(int pipe) {
  char buffer[4096];
  for (ssize_t size; (size = read(pipe, buffer, sizeof buffer)) > 0;) {
    std::lock_guard lock(mutex_);
    log_.append(buffer, size);
    grew_.notify_all();
  }
  close(pipe);
  std::lock_guard lock(mutex_);
  ended_ = true;
  grew_.notify_all();
}

bool ServerProcess::WaitForLog(const std::string& text) {
  std::unique_lock lock(mutex_);
  grew_.wait(lock, [&] { return ended_ || log_.find(text) != std::string::npos; });
  return log_.find(text) != std::string::npos;
}

void ServerProcess::Signal(int signal) { kill(pid_, signal); }

int ServerProcess::WaitForExit() {
  int status = 0;
  waitpid(pid_, &status, 0);
  waited_ = true;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string ServerProcess::AddressAfter(const std::string& text) {
  WaitForLog(text);
  std::lock_guard lock(mutex_);
  const size_t start = log_.find(text) + text.size();
  return "127.0.0.1:" + log_.substr(start, log_.find_first_not_of("0123456789", start) - start);
}

std::string ServerProcess::address() { return AddressAfter("gRPC on port "); }

std::string ServerProcess::metrics_address() { return AddressAfter("metrics on port "); }

std::string ServerProcess::health_address() { return AddressAfter("health on port "); }

std::string ServerProcess::log() {
  std::lock_guard lock(mutex_);
  return log_;
}

}  // namespace patchserve
