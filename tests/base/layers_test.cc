// Keeps the table of server/README.md true: which part of the server may include
// which, and where each big library may be seen.

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace patchserve {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

struct Include {
  std::string file;    // from the top of the tree
  std::string module;  // the folder under server/, or "server" itself
  std::string target;  // what it includes
};

std::vector<Include> Includes() {
  const fs::path root = PATCHSERVE_SOURCE;
  const std::regex line_format("#include [<\"]([^>\"]+)[>\"]");
  std::vector<Include> includes;
  for (const auto& entry : fs::recursive_directory_iterator(root / "server")) {
    if (entry.path().extension() != ".h" && entry.path().extension() != ".cc") continue;
    const std::string file = fs::relative(entry.path(), root);
    const fs::path below = fs::relative(entry.path().parent_path(), root / "server");
    const std::string module = below == "." ? "server" : below.begin()->string();
    std::ifstream text(entry.path());
    std::smatch match;
    for (std::string line; std::getline(text, line);) {
      if (std::regex_search(line, match, line_format)) includes.push_back({file, module, match[1]});
    }
  }
  return includes;
}

bool StartsWithAny(const std::string& text, const std::vector<std::string>& prefixes) {
  for (const std::string& prefix : prefixes) {
    if (text.rfind(prefix, 0) == 0) return true;
  }
  return false;
}

TEST(LayersTest, AModuleIncludesOnlyWhatItsLayerMay) {
  const std::map<std::string, std::vector<std::string>> allowed = {
      {"base", {"server/base/"}},
      {"net", {"server/net/", "server/base/"}},
      {"config", {"server/config/", "server/hub/model_id.h", "server/base/"}},
      {"hub",
       {"server/hub/", "server/model/json.h", "server/model/shards.h",
        "server/net/file_descriptor.h", "server/base/"}},
      {"image", {"server/image/", "server/base/"}},
      {"model", {"server/model/", "server/image/preprocessing.h", "server/base/"}},
      {"scheduling", {"server/scheduling/", "server/base/"}},
      {"metrics", {"server/metrics/", "server/net/", "server/base/"}},
      {"pipeline",
       {"server/pipeline/", "server/scheduling/", "server/image/", "server/metrics/",
        "server/model/model.h", "server/base/"}},
      {"rpc",
       {"server/rpc/", "server/pipeline/", "server/metrics/inference_statistics.h",
        "server/base/"}},
      {"server", {"server/"}},
  };
  std::vector<std::string> wrong;
  for (const Include& include : Includes()) {
    if (!StartsWithAny(include.target, {"server/"})) continue;
    ASSERT_TRUE(allowed.contains(include.module)) << include.module << " has no row here";
    if (!StartsWithAny(include.target, allowed.at(include.module))) {
      wrong.push_back(include.file + " includes " + include.target);
    }
  }
  EXPECT_THAT(wrong, IsEmpty());
}

TEST(LayersTest, EachBigLibraryStaysInOneModule) {
  const std::map<std::string, std::set<std::string>> homes = {
      {"opencv2/", {"image"}},      {"ATen/", {"model"}},
      {"c10/", {"model"}},          {"torch/", {"model"}},
      {"prometheus/", {"metrics"}}, {"grpcpp/", {"rpc", "server"}},
      {"httplib.h", {"net"}},       {"nlohmann/", {"model", "server"}},
      {"curl/", {"hub"}},
  };
  std::vector<std::string> wrong;
  for (const Include& include : Includes()) {
    for (const auto& [library, modules] : homes) {
      if (StartsWithAny(include.target, {library}) && !modules.contains(include.module)) {
        wrong.push_back(include.file + " includes " + include.target);
      }
    }
  }
  EXPECT_THAT(wrong, IsEmpty());
}

}  // namespace
}  // namespace patchserve
