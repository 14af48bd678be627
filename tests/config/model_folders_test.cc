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

TEST(ModelFoldersTest, AModelOfAHubIsNamedByItsNameOrAsIsSaid) {
  const auto found = FindModelFolders("hf://org/vit.in1k@v1");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->front().name, "vit.in1k");
  EXPECT_EQ(found->front().folder, "hf://org/vit.in1k@v1");
  EXPECT_EQ(Names(FindModelFolders("mine=hf://org/vit")), std::vector<std::string>{"mine"});
  EXPECT_EQ(FindModelFolders("hf://vit").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FindModelFolders("no/name=hf://org/vit").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(RejoinFolders({"hf://a/b", "c=hf://d/e"}),
            (std::vector<std::string>{"hf://a/b", "c=hf://d/e"}));
}

// As training tools name them.
TEST(ModelFoldersTest, AFoldersPathMayHaveEqualsSigns) {
  ModelTree tree;
  const std::string folder = tree.Add("epoch=3/vit");
  EXPECT_EQ(Names(FindModelFolders(folder)), std::vector<std::string>{"vit"});
  EXPECT_EQ(Names(FindModelFolders("mine=" + folder)), std::vector<std::string>{"mine"});
  EXPECT_EQ(Names(FindModelFolders(tree.path("epoch=3"))), std::vector<std::string>{"vit"});
  EXPECT_EQ(FindModelFolders(tree.path("epoch=4/vit")).status().message(),
            "--models: there is no folder " + tree.path("epoch=4/vit"));
}

TEST(ModelFoldersTest, ARelativePathMayBeginWithAnEqualsSignsFolder) {
  ModelTree tree;
  tree.Add("epoch=3/vit");
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(tree.path());
  EXPECT_EQ(Names(FindModelFolders("epoch=3/vit")), std::vector<std::string>{"vit"});
  std::filesystem::current_path(before);
}

TEST(ModelFoldersTest, AFoldersPathMayHaveCommas) {
  ModelTree tree;
  const std::string torn = tree.Add("lr=0.1,bs=32/vit"), other = tree.Add("other");
  const std::vector<std::string> parts = {"a=" + tree.path("lr=0.1"),
                                          "bs=32/vit",
                                          other,
                                          tree.path("lr=0.1"),
                                          "bs=32/vit",
                                          "none",
                                          "b=none"};
  EXPECT_EQ(RejoinFolders(parts),
            (std::vector<std::string>{"a=" + torn, other, torn, "none", "b=none"}));
}

// What Kubernetes mounts and editors leave.
TEST(ModelFoldersTest, HiddenFoldersArePassedOver) {
  ModelTree tree;
  tree.Add("vit");
  tree.Add("..data");
  tree.Add(".backup");
  EXPECT_EQ(Names(FindModelFolders(tree.path())), std::vector<std::string>{"vit"});
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
       {"", "a b", "ä", "liveness", "readiness", "patchserve.v1.ImageClassification"}) {
    EXPECT_EQ(FindModelFolders(std::string(name) + "=" + folder).status().code(),
              absl::StatusCode::kInvalidArgument)
        << name;
  }
}

}  // namespace
}  // namespace patchserve
