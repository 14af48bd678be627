// Keeps the table of server/README.md true: which part of the server may include
// which, and where each big library may be seen; itself, and through the headers that it includes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace patchserve {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What each file includes, by their paths from the top of the tree.
using Tree = std::map<std::string, std::vector<std::string>>;
using Paths = std::vector<std::string>;  // folders, which end in a slash, and files

// By module: what its files may include.
const std::map<std::string, Paths> kLayers = {
    {"base", {"server/base/"}},
    {"net", {"server/net/", "server/base/"}},
    {"config", {"server/config/", "server/hub/model_id.h", "server/base/"}},
    {"hub",
     {"server/hub/", "server/model/json.h", "server/model/shards.h", "server/net/file_descriptor.h",
      "server/base/"}},
    {"image", {"server/image/", "server/base/"}},
    {"model", {"server/model/", "server/image/preprocessing.h", "server/base/"}},
    {"scheduling", {"server/scheduling/", "server/base/"}},
    {"metrics", {"server/metrics/", "server/net/", "server/base/"}},
    {"pipeline",
     {"server/pipeline/", "server/scheduling/", "server/image/", "server/metrics/",
      "server/model/model.h", "server/base/"}},
    {"rpc",
     {"server/rpc/", "server/pipeline/", "server/metrics/inference_statistics.h", "server/base/"}},
    {"server", {"server/"}},
};

// By what its headers' names begin with: the modules that may see a library.
const std::map<std::string, std::set<std::string>> kLibraries = {
    {"opencv2/", {"image"}},      {"ATen/", {"model"}},
    {"c10/", {"model"}},          {"torch/", {"model"}},
    {"prometheus/", {"metrics"}}, {"grpcpp/", {"rpc", "server"}},
    {"httplib.h", {"net"}},       {"nlohmann/", {"model", "hub", "server"}},
    {"curl/", {"hub"}},
};

Tree ReadTree() {
  const fs::path root = PATCHSERVE_SOURCE;
  const std::regex line_format("#include [<\"]([^>\"]+)[>\"]");
  Tree tree;
  for (const auto& entry : fs::recursive_directory_iterator(root / "server")) {
    if (entry.path().extension() != ".h" && entry.path().extension() != ".cc") continue;
    Paths& includes = tree[fs::relative(entry.path(), root)];
    std::ifstream text(entry.path());
    std::smatch match;
    for (std::string line; std::getline(text, line);) {
      if (std::regex_search(line, match, line_format)) includes.push_back(match[1]);
    }
  }
  return tree;
}

// The folder under server/, or "server" itself.
std::string ModuleOf(const std::string& file) {
  const fs::path below = fs::path(file).lexically_relative("server");
  return below.has_parent_path() ? below.begin()->string() : "server";
}

bool IsAmong(const std::string& file, const Paths& paths) {
  return std::any_of(paths.begin(), paths.end(), [&](const std::string& path) {
    return file == path || (path.ends_with('/') && file.starts_with(path));
  });
}

// What files of `module` may include, and what those may that it may include all of.
Paths MayReach(const std::string& module) {
  Paths reach;
  std::set<std::string> seen;
  Paths next = {module};
  while (!next.empty()) {
    const std::string at = next.back();
    next.pop_back();
    if (!seen.insert(at).second) continue;
    for (const std::string& path : kLayers.at(at)) {
      reach.push_back(path);
      if (path.ends_with('/')) next.push_back(ModuleOf(path + "all"));
    }
  }
  return reach;
}

// Each file that `from` includes, itself or through others, after the one that includes it. Not
// beyond what `wrong` is true of.
std::map<std::string, std::string> Reached(const Tree& tree, const std::string& from,
                                           const std::function<bool(const std::string&)>& wrong) {
  std::map<std::string, std::string> reached;
  Paths next = {from};
  while (!next.empty()) {
    const std::string at = next.back();
    next.pop_back();
    const auto includes = tree.find(at);  // none of another library, or made by the build
    if (includes == tree.end() || wrong(at)) continue;
    for (const std::string& target : includes->second) {
      if (reached.emplace(target, at).second) next.push_back(target);
    }
  }
  return reached;
}

// A line for each include that is wrong, for which files.
std::set<std::string> WrongIncludes(const Tree& tree) {
  std::set<std::string> wrong;
  for (const auto& [file, includes] : tree) {
    const std::string module = ModuleOf(file);
    for (const std::string& target : includes) {
      if (target.starts_with("server/") && !IsAmong(target, kLayers.at(module))) {
        wrong.insert(file + " includes " + target);
      }
    }
    const Paths may = MayReach(module);
    const auto out_of_reach = [&](const std::string& target) {
      return target.starts_with("server/") && !IsAmong(target, may);
    };
    for (const auto& [target, by] : Reached(tree, file, out_of_reach)) {
      if (by != file && out_of_reach(target))
        wrong.insert(file + " reaches " + target + " by " + by);
    }
  }
  return wrong;
}

std::set<std::string> WrongLibraries(const Tree& tree) {
  std::set<std::string> wrong;
  for (const auto& [file, includes] : tree) {
    for (const auto& [target, by] : Reached(tree, file, [](const std::string&) { return false; })) {
      for (const auto& [library, modules] : kLibraries) {
        if (target.starts_with(library) && !modules.contains(ModuleOf(file))) {
          wrong.insert(file + " reaches " + target + " by " + by);
        }
      }
    }
  }
  return wrong;
}

TEST(LayersTest, AModuleReachesOnlyWhatItsLayerMay) {
  EXPECT_THAT(WrongIncludes(ReadTree()), IsEmpty());
}

TEST(LayersTest, EachBigLibraryIsSeenByItsModulesOnly) {
  EXPECT_THAT(WrongLibraries(ReadTree()), IsEmpty());
}

TEST(LayersTest, AnIncludeOfAHigherLayerIsFound) {
  EXPECT_THAT(WrongIncludes({{"server/base/a.h", {"server/net/b.h"}}}),
              ElementsAre("server/base/a.h includes server/net/b.h"));
}

// pipeline/ may include model.h and nothing else of model/; so may not what model.h includes.
TEST(LayersTest, AHigherLayerIsFoundThroughHeadersThatMayIncludeIt) {
  const Tree tree = {{"server/pipeline/a.h", {"server/pipeline/b.h"}},
                     {"server/pipeline/b.h", {"server/model/model.h"}},
                     {"server/model/model.h", {"server/model/engine.h"}},
                     {"server/model/engine.h", {"server/model/more.h"}}};
  EXPECT_THAT(
      WrongIncludes(tree),
      ElementsAre("server/pipeline/a.h reaches server/model/engine.h by server/model/model.h",
                  "server/pipeline/b.h reaches server/model/engine.h by server/model/model.h"));
}

TEST(LayersTest, ALibraryIsFoundThroughAHeader) {
  EXPECT_THAT(
      WrongLibraries({{"server/pipeline/a.cc", {"server/metrics/b.h"}},
                      {"server/metrics/b.h", {"prometheus/counter.h"}}}),
      ElementsAre("server/pipeline/a.cc reaches prometheus/counter.h by server/metrics/b.h"));
}

}  // namespace
}  // namespace patchserve
