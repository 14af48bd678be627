// What the arguments of the command line name: files, folders, patterns, stdin.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace patchserve {

// One image to read.
struct Input {
  // The file's path as the user would write it, or "-" for stdin.
  std::string name;
  // Why there is no image of that name, if expanding has found that out already.
  absl::Status problem;
};

// Turns arguments into inputs, in their order:
//   "-"              stdin, as one image
//   a file           itself, whatever its name
//   a folder         the .jpg, .jpeg, .jpe, .jfif, .png, .webp and .bmp files (in any case) in it
//                    and in its subfolders, ordered by path; links to folders aren't followed
//   anything else    a glob(3) pattern that the shell left alone; each match as above
// What names nothing becomes an input whose `problem` says so: NOT_FOUND for no
// such file and for a folder without images, PERMISSION_DENIED or UNKNOWN for a
// folder that can't be read. Reads folders, but no file.
std::vector<Input> ExpandArguments(absl::Span<const std::string> arguments);

// Far more than a server takes unless told to (20 MB); no more than this is read
// of a file, so /dev/zero is an error and not all the memory.
inline constexpr size_t kMaxInputBytes = 64 << 20;

// The bytes of an input; stdin is read to its end. Blocks.
// Errors: the input's problem; NOT_FOUND, PERMISSION_DENIED or UNKNOWN as the
// system says; INVALID_ARGUMENT: more than kMaxInputBytes.
absl::StatusOr<std::string> ReadInput(const Input& input);

}  // namespace patchserve
