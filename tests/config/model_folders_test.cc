#include "server/config/model_folders.h"

#include <gmock/gmock.h>

#include "tests/config/model_tree.h"

namespace patchserve {
namespace {

std::vector<std::string> Names(const absl::StatusOr<std::vector<ModelFolder>>& folders) {
  std::vector<std::string> names;
  for (const ModelFolder& folder : *folders) names.push_back(folder.name);
  return names;
}

TEST(ModelFoldersTest, ACheckpointIsNamedByItsFolder) {
  ModelTree tree;
  const std::string folder = tree.Add("vit");
  EXPECT_EQ(Names(FindModelFolders(folder)), std::vector<std::string>{"vit"});
  EXPECT_EQ(Names(FindModelFolders(folder + "/")), std::vector<std::string>{"vit"});
}

TEST(ModelFoldersTest, AFolderOfCheckpointsGivesEachOfThem) {
  ModelTree tree;
  tree.Add("b");
  tree.Add("a");
  tree.Write("README.md", "no model");
  EXPECT_EQ(Names(FindModelFolders(tree.path())), (std::vector<std::string>{"a", "b"}));
}

TEST(ModelFoldersTest, NameEqualsFolderGivesTheName) {
  ModelTree tree;
  const auto found = FindModelFolders("mine=" + tree.Add("vit"));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->front().name, "mine");
}

TEST(ModelFoldersTest, SymbolicLinksAreFollowed) {
  ModelTree tree;
  const std::string folder = tree.Add("snapshot");
  std::filesystem::create_directories(tree.path("links"));
  std::filesystem::create_directory_symlink(folder, tree.path("links/vit"));
  EXPECT_EQ(Names(FindModelFolders(tree.path("links"))), std::vector<std::string>{"vit"});
}

TEST(ModelFoldersTest, AFolderWithoutACheckpointIsNotFound) {
  ModelTree tree;
  EXPECT_EQ(FindModelFolders(tree.path()).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FindModelFolders(tree.path("none")).status().code(), absl::StatusCode::kNotFound);
}

TEST(ModelFoldersTest, ANameWithOtherCharactersIsInvalid) {
  ModelTree tree;
  const std::string folder = tree.Add("vit");
  for (const char* name :
       {"", "a b", "a/b", "ä", "liveness", "readiness", "patchserve.v1.ImageClassification"}) {
    EXPECT_EQ(FindModelFolders(std::string(name) + "=" + folder).status().code(),
              absl::StatusCode::kInvalidArgument)
        << name;
  }
}

}  // namespace
}  // namespace patchserve
