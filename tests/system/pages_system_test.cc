// What README and docs/ say of the server is what it is.

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "tests/client/run_program.h"
#include "tests/system/http_get.h"
#include "tests/system/server_fixture.h"

namespace patchserve {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = PATCHSERVE_SOURCE;

std::string Read(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

// What the first group of `pattern` matches.
std::set<std::string> Found(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator i(text.begin(), text.end(), regex), end; i != end; ++i) {
    found.insert((*i)[1].str());
  }
  return found;
}

// The names in the first column of the tables.
std::set<std::string> FirstColumn(const std::string& page, const std::string& name) {
  std::set<std::string> names;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (absl::StartsWith(line, "| `")) names.merge(Found(line.substr(0, line.find('|', 1)), name));
  }
  return names;
}

TEST(PagesSystemTest, TheFlagsPageListsTheFlagsOfHelp) {
  const Finished help = RunProgram({PATCHSERVE_PROGRAM, "--help"});
  const std::set<std::string> flags = Found(help.out + help.err, "\n +--([a-z0-9_]+) \\(");
  const std::string page = Read(kSource / "docs/flags.md");
  EXPECT_EQ(FirstColumn(page, "`--([a-z0-9_]+)`"), flags);
  for (const std::string& text : {help.out + help.err, page}) {
    EXPECT_THAT(text, testing::HasSubstr("PATCHSERVE_MAX_BATCH=16"));
  }
}

TEST(PagesSystemTest, TheMetricsPageListsThoseOfAScrape) {
  ServingProcess server({"--models=" + kTestModels + "/vit"});
  ASSERT_TRUE(server.serving) << server.process.log();
  const std::string scrape = HttpGet(server.process.metrics_address(), "/metrics");
  std::set<std::string> shown = Found(scrape, "# TYPE (patchserve_[a-z0-9_]+) ");
  shown.insert("patchserve_certificate_expiry_timestamp_seconds");  // with TLS alone
  EXPECT_EQ(FirstColumn(Read(kSource / "docs/metrics.md"), "`(patchserve_[a-z0-9_]+)`"), shown);
}

TEST(PagesSystemTest, LinksToFilesLeadSomewhere) {
  std::set<fs::path> pages = {kSource / "README.md",       kSource / "CONTRIBUTING.md",
                              kSource / "SECURITY.md",     kSource / "server/README.md",
                              kSource / "tests/README.md", kSource / "deploy/README.md"};
  for (const auto& entry : fs::recursive_directory_iterator(kSource / "docs")) {
    if (entry.path().extension() == ".md") pages.insert(entry.path());
  }
  for (const fs::path& page : pages) {
    for (const std::string& link : Found(Read(page), "\\]\\(([^)#\\s]+)(?:#[^)]*)?\\)")) {
      if (absl::StrContains(link, ":")) continue;  // of the web
      EXPECT_TRUE(fs::exists(page.parent_path() / link)) << page << ": " << link;
    }
  }
}

// A step's files, each with the functions to look for in it: "`a/b.cc` (`First`, `Second`)".
TEST(PagesSystemTest, TheFilesAndFunctionsInTheLifeOfARequestAreThere) {
  const std::string map = Read(kSource / "server/README.md");
  const size_t begin = map.find("\n| 0 | "), end = map.find("\n\n", begin);
  ASSERT_NE(begin, std::string::npos);
  const std::string steps = map.substr(begin, end - begin);
  const std::regex regex("`([a-z_/]+\\.(?:h|cc|cu))`(?: \\(([A-Za-z:`, ]+)\\))?");
  for (std::sregex_iterator i(steps.begin(), steps.end(), regex), last; i != last; ++i) {
    const fs::path file = kSource / "server" / (*i)[1].str();
    EXPECT_TRUE(fs::exists(file)) << file;
    const std::string text = Read(file);
    for (const std::string& function : Found((*i)[2].str(), "`([A-Za-z:]+)`")) {
      EXPECT_THAT(text, testing::HasSubstr(function)) << file;
    }
  }
}

}  // namespace
}  // namespace patchserve
