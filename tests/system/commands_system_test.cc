// The commands of README and docs/ that need neither a network nor what we don't install do what is
// shown.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "tests/client/run_program.h"
#include "tests/system/server_fixture.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = PATCHSERVE_SOURCE;

// What isn't run: servers and builds; what other commands install; what asks the internet.
constexpr const char* kLeftOut[] = {"make ",
                                    "build/bin/patchserve --",
                                    "python3 ",
                                    "venv/bin/",
                                    "go ",
                                    "PATH=\"$PATH:$(go",
                                    "grpcurl ",
                                    "grpc-health-probe ",
                                    "perf_analyzer ",
                                    "docker ",
                                    "git "};

struct Command {
  std::string text;                // perhaps of several lines
  std::vector<std::string> shown;  // the lines below it, of a "console"
};

// Whether the command's last line isn't its end: a quotation or a pipe goes on.
bool GoesOn(const Command& command) {
  if (!command.shown.empty()) return false;
  std::string text = command.text;
  if (const size_t comment = text.find("  #"); comment != std::string::npos) text.resize(comment);
  return std::count(text.begin(), text.end(), '\'') % 2 == 1 || absl::EndsWith(text, "\\") ||
         absl::EndsWith(text, "|");
}

// Those of the page's blocks of "sh", in which every line is a command, and of "console".
std::vector<Command> CommandsOf(const fs::path& page) {
  std::vector<Command> commands;
  std::ifstream text(page);
  std::string block;  // its language
  bool goes_on = false;
  for (std::string line; std::getline(text, line);) {
    if (absl::StartsWith(line, "```")) {
      block = block.empty() ? line.substr(3) + " " : "";
    } else if (goes_on) {
      absl::StrAppend(&commands.back().text, "\n", line);
    } else if (block == "sh " && !line.empty()) {
      commands.push_back({line});
    } else if (block == "console " && absl::StartsWith(line, "$ ")) {
      commands.push_back({line.substr(2)});
    } else if (block == "console ") {
      commands.back().shown.push_back(line);
    }
    goes_on = !commands.empty() && !block.empty() && GoesOn(commands.back());
  }
  return commands;
}

bool IsLeftOut(const std::string& command) {
  for (const char* start : kLeftOut) {
    if (absl::StartsWith(command, start) ||
        absl::StrContains(command, absl::StrCat("\n  ", start)) ||
        absl::StrContains(command, absl::StrCat("\n    ", start))) {
      return true;
    }
  }
  return false;
}

// Numbers differ between machines, in the last digits: each counts as any other.
std::vector<std::string> Words(const std::string& line) {
  std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  for (std::string& word : words) {
    if (word.find_first_not_of("0123456789.") == std::string::npos) word = "#";
  }
  return words;
}

struct Page {
  const char* path;
  int runnable;  // how many of its commands aren't left out
};
void PrintTo(const Page& page, std::ostream* out) { *out << page.path; }

// A reader's folder: this tree, some photos, and `classify` to be found by its name.
class CommandsSystemTest : public ::testing::TestWithParam<Page> {
 protected:
  CommandsSystemTest() : server_({absl::StrCat("--models=", PATCHSERVE_MODELS)}) {
    fs::create_directories(folder_.path("build/bin"));
    fs::create_directories(folder_.path("photos"));
    for (const char* name : {"tests", "client", "models"}) {
      fs::create_directory_symlink(kSource / name, folder_.path(name));
    }
    for (const char* photo : {"cat.jpg", "photos/cat.jpg"}) {
      fs::copy_file(kSource / "tests/data/images/chelsea.jpg", folder_.path(photo));
    }
    fs::copy_file(kSource / "tests/data/images/rocket.jpg", folder_.path("photos/rocket.jpg"));
    fs::create_symlink(PROBE_PROGRAM, folder_.path("build/bin/patchserve_probe"));
    const fs::path classify = folder_.path("build/bin/classify");
    std::ofstream(classify) << "#!/bin/sh\nexec " << CLASSIFY_PROGRAM
                            << " --server=" << server_.process.address() << " \"$@\"\n";
    fs::permissions(classify, fs::perms::owner_all);
  }

  Finished Run(const std::string& command) {
    const std::string here =
        absl::StrReplaceAll(command, {{" flowers", " vit_cifar10"},
                                      {"127.0.0.1:8001", server_.process.address()},
                                      {"127.0.0.1:8002", server_.process.metrics_address()}});
    return RunProgram(
        {"/bin/sh", "-c",
         absl::StrCat("cd '", folder_.path(), "' && PATH=\"$PWD/build/bin:$PATH\"\n", here)});
  }

  TemporaryFolder folder_;
  ServingProcess server_;
};

TEST_P(CommandsSystemTest, EachCommandOfThePageDoesWhatIsShown) {
  ASSERT_TRUE(server_.serving) << server_.process.log();
  int ran = 0;
  for (const Command& command : CommandsOf(kSource / GetParam().path)) {
    if (IsLeftOut(command.text)) continue;
    ++ran;
    const Finished finished = Run(command.text);
    EXPECT_EQ(finished.exit_code, 0) << command.text << "\n" << finished.err;
    const std::vector<std::string> lines = absl::StrSplit(finished.out, '\n');
    // The head of the table and its first answer; those that follow are near 0.
    for (size_t i = 0; i < command.shown.size() && i < 2; ++i) {
      EXPECT_EQ(Words(command.shown[i]), Words(lines.at(i))) << command.text;
    }
    EXPECT_LE(command.shown.size(), lines.size()) << command.text;
  }
  EXPECT_EQ(ran, GetParam().runnable);
}
INSTANTIATE_TEST_SUITE_P(Pages, CommandsSystemTest,
                         testing::Values(Page{"README.md", 2}, Page{"docs/clients.md", 6}));

TEST(CommandsTest, AWrongCommandIsNoneOfThoseThatAreLeftOut) {
  EXPECT_FALSE(IsLeftOut("clasify cat.jpg"));
  EXPECT_FALSE(IsLeftOut("classify --outptu=json photos/"));
  EXPECT_TRUE(IsLeftOut("grpcurl -plaintext 127.0.0.1:8001 list"));
}

}  // namespace
}  // namespace patchserve
