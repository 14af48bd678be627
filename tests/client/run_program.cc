#include "tests/client/run_program.h"

#include <pty.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>

extern char** environ;

namespace patchserve {
namespace {

// An unnamed file: unlike a pipe it takes any amount before somebody reads.
using File = std::unique_ptr<FILE, int (*)(FILE*)>;
File UnnamedFile() { return File(std::tmpfile(), std::fclose); }

std::string Contents(FILE* file) {
  std::string contents;
  std::array<char, 4096> chunk;
  std::rewind(file);
  while (const size_t got = std::fread(chunk.data(), 1, chunk.size(), file)) {
    contents.append(chunk.data(), got);
  }
  return contents;
}

// Returns what waitpid says of it.
int SpawnAndWait(const std::vector<std::string>& command, int in, int out, int err) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
  pid_t pid = 0;
  int status = -1;
  if (posix_spawn(&pid, argv[0], &files, nullptr, argv.data(), environ) == 0) {
    waitpid(pid, &status, 0);
  }
  posix_spawn_file_actions_destroy(&files);
  return status;
}

Finished Ended(int status, std::string out, std::string err) {
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
          .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
          .out = std::move(out),
          .err = std::move(err)};
}

}  // namespace

Finished RunProgram(const std::vector<std::string>& command, const std::string& input) {
  const File in = UnnamedFile(), out = UnnamedFile(), err = UnnamedFile();
  std::fwrite(input.data(), 1, input.size(), in.get());
  std::rewind(in.get());
  const int status = SpawnAndWait(command, fileno(in.get()), fileno(out.get()), fileno(err.get()));
  return Ended(status, Contents(out.get()), Contents(err.get()));
}

Finished RunOnTerminal(const std::vector<std::string>& command, int columns) {
  const File in = UnnamedFile(), out = UnnamedFile();
  int ours = -1, theirs = -1;
  const winsize size = {.ws_row = 24, .ws_col = static_cast<unsigned short>(columns)};
  if (openpty(&ours, &theirs, nullptr, nullptr, &size) != 0) return Ended(-1, "", "no terminal");
  const int status = SpawnAndWait(command, fileno(in.get()), fileno(out.get()), theirs);
  // What the terminal holds stays readable after its other end is closed.
  close(theirs);
  std::string err;
  std::array<char, 4096> chunk;
  for (ssize_t got; (got = read(ours, chunk.data(), chunk.size())) > 0;) {
    err.append(chunk.data(), got);
  }
  close(ours);
  return Ended(status, Contents(out.get()), err);
}

Finished RunUnread(const std::vector<std::string>& command) {
  const File in = UnnamedFile(), err = UnnamedFile();
  std::array<int, 2> pipe_ends;
  if (pipe(pipe_ends.data()) != 0) return Ended(-1, "", "no pipe");
  close(pipe_ends[0]);
  const int status = SpawnAndWait(command, fileno(in.get()), pipe_ends[1], fileno(err.get()));
  close(pipe_ends[1]);
  return Ended(status, "", Contents(err.get()));
}

}  // namespace patchserve
