// Runs another program and keeps what it says.
#pragma once

#include <string>
#include <vector>

namespace patchserve {

struct Finished {
  int exit_code;  // -1 if a signal ended it
  int signal;     // 0 if it exited
  std::string out;
  std::string err;
};

// Runs `command` (a path and its arguments) with `input` as its stdin, and waits.
Finished RunProgram(const std::vector<std::string>& command, const std::string& input = "");

// Likewise, with a terminal `columns` wide for stderr, of whose text up to 4 kB are kept.
Finished RunOnTerminal(const std::vector<std::string>& command, int columns = 80);

// Likewise, with a stdout that nobody reads.
Finished RunUnread(const std::vector<std::string>& command);

}  // namespace patchserve
