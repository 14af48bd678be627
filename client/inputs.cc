#include "client/inputs.h"

#include <glob.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace patchserve {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kExtensions[] = {".jpg", ".jpeg", ".jpe", ".jfif",
                                            ".png", ".webp", ".bmp"};

bool LooksLikeImage(const fs::path& path) {
  const std::string extension = absl::AsciiStrToLower(path.extension().string());
  return std::find(std::begin(kExtensions), std::end(kExtensions), extension) !=
         std::end(kExtensions);
}

// The images under `folder`, and the folders there that can't be read, unordered.
void Collect(const fs::path& folder, std::vector<Input>& found) {
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code ignored;  // a dangling link is neither file nor folder
    if (entry->is_directory(ignored)) {
      if (!entry->is_symlink(ignored)) Collect(entry->path(), found);
    } else if (entry->is_regular_file(ignored) && LooksLikeImage(entry->path())) {
      found.push_back({entry->path().string()});
    }
  }
  if (error) {
    found.push_back({folder.string(), absl::ErrnoToStatus(error.value(), "can't read the folder")});
  }
}

void AddPath(const std::string& path, std::vector<Input>& inputs) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    inputs.push_back({path});
    return;
  }
  std::vector<Input> found;
  Collect(path, found);
  if (found.empty()) {
    found.push_back(
        {path, absl::NotFoundError(
                   "no .jpg, .jpeg, .jpe, .jfif, .png, .webp or .bmp file in this folder")});
  }
  std::sort(found.begin(), found.end(),
            [](const Input& a, const Input& b) { return a.name < b.name; });
  std::move(found.begin(), found.end(), std::back_inserter(inputs));
}

void AddMatches(const std::string& pattern, std::vector<Input>& inputs) {
  glob_t matches = {};
  if (glob(pattern.c_str(), 0, nullptr, &matches) == 0) {
    for (size_t i = 0; i < matches.gl_pathc; ++i) AddPath(matches.gl_pathv[i], inputs);
  } else {
    inputs.push_back({pattern, absl::NotFoundError("no such file, and no file matches it")});
  }
  globfree(&matches);
}

}  // namespace

std::vector<Input> ExpandArguments(absl::Span<const std::string> arguments) {
  std::vector<Input> inputs;
  for (const std::string& argument : arguments) {
    std::error_code error;
    const bool exists = fs::exists(argument, error);
    if (argument == "-") {
      inputs.push_back({argument});
    } else if (exists || error) {
      // A path that can't be looked up (in a closed folder) is left for reading to explain.
      AddPath(argument, inputs);
    } else {
      AddMatches(argument, inputs);
    }
  }
  return inputs;
}

absl::StatusOr<std::string> ReadInput(const Input& input) {
  if (!input.problem.ok()) return input.problem;
  const bool is_stdin = input.name == "-";
  const std::unique_ptr<FILE, void (*)(FILE*)> file(
      is_stdin ? stdin : std::fopen(input.name.c_str(), "rb"), [](FILE* f) {
        if (f != nullptr && f != stdin) std::fclose(f);
      });
  if (file == nullptr) return absl::ErrnoToStatus(errno, "can't open it");

  std::string bytes;
  std::array<char, 1 << 16> chunk;
  while (const size_t got = std::fread(chunk.data(), 1, chunk.size(), file.get())) {
    bytes.append(chunk.data(), got);
    if (bytes.size() > kMaxInputBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("more than ", kMaxInputBytes, " bytes, the most that is sent"));
    }
  }
  if (std::ferror(file.get())) return absl::ErrnoToStatus(errno, "can't read it");
  return bytes;
}

}  // namespace patchserve
