#include "client/inputs.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Names(const std::vector<std::string>& arguments) {
  std::vector<std::string> names;
  for (const Input& input : ExpandArguments(arguments)) names.push_back(input.name);
  return names;
}

// The status of the one input that `argument` becomes.
absl::Status Problem(const std::string& argument) {
  return ExpandArguments({argument}).at(0).problem;
}

TEST(ExpandArgumentsTest, AFileIsItselfWhateverItsNameAndInTheOrderGiven) {
  TemporaryFolder folder;
  const std::string b = folder.Write("b.txt"), a = folder.Write("a.jpg");
  EXPECT_THAT(Names({b, "-", a}), ElementsAre(b, "-", a));
}

TEST(ExpandArgumentsTest, AFolderIsItsImagesAndThoseBelowOrderedByPath) {
  TemporaryFolder folder;
  const std::string c = folder.Write("c.JPeG"), b = folder.Write("b/x.webp"),
                    a = folder.Write("a.png"), d = folder.Write("d.bmp"), e = folder.Write("e.jpg"),
                    f = folder.Write("f.JFIF"), g = folder.Write("g.jpe");
  folder.Write("notes.txt");
  EXPECT_THAT(Names({folder.path()}), ElementsAre(a, b, c, d, e, f, g));
}

TEST(ExpandArgumentsTest, ALinkToAFolderIsNotFollowedAndOneToAFileIs) {
  TemporaryFolder folder;
  const std::string a = folder.Write("a.jpg");
  std::filesystem::create_symlink(folder.path(), folder.path("loop"));
  std::filesystem::create_symlink(a, folder.path("b.jpg"));
  std::filesystem::create_symlink("nowhere", folder.path("c.jpg"));
  EXPECT_THAT(Names({folder.path()}), ElementsAre(a, folder.path("b.jpg")));
}

TEST(ExpandArgumentsTest, AFolderWithoutImagesIsAnErrorThatNamesIt) {
  TemporaryFolder folder;
  EXPECT_THAT(Names({folder.path()}), ElementsAre(folder.path()));
  EXPECT_EQ(Problem(folder.path()).code(), absl::StatusCode::kNotFound);
}

TEST(ExpandArgumentsTest, APatternIsItsMatches) {
  TemporaryFolder folder;
  const std::string b = folder.Write("b1.jpg"), a = folder.Write("a1.jpg");
  folder.Write("a2.jpg");
  EXPECT_THAT(Names({folder.path("?1.*")}), ElementsAre(a, b));
}

TEST(ExpandArgumentsTest, AFileWhoseNameLooksLikeAPatternIsThatFile) {
  TemporaryFolder folder;
  const std::string odd = folder.Write("a[1].jpg");
  folder.Write("a1.jpg");
  EXPECT_THAT(Names({odd}), ElementsAre(odd));
}

TEST(ExpandArgumentsTest, WhatNamesNothingIsNotFound) {
  TemporaryFolder folder;
  EXPECT_THAT(Names({folder.path("*.jpg")}), ElementsAre(folder.path("*.jpg")));
  EXPECT_EQ(Problem(folder.path("*.jpg")).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Problem(folder.path("cat.jpg")).code(), absl::StatusCode::kNotFound);
}

TEST(ReadInputTest, AFilesBytesAreReadAsTheyAre) {
  TemporaryFolder folder;
  const std::string bytes("a\0b\r\n\xff", 6);
  EXPECT_EQ(*ReadInput({folder.Write("a.jpg", bytes)}), bytes);
}

TEST(ReadInputTest, AFileThatIsGoneIsNotFound) {
  TemporaryFolder folder;
  EXPECT_EQ(ReadInput({folder.path("a.jpg")}).status().code(), absl::StatusCode::kNotFound);
}

TEST(ReadInputTest, AnEndlessFileIsRefused) {
  const absl::Status status = ReadInput({"/dev/zero"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("more than 67108864 bytes"));
}

}  // namespace
}  // namespace patchserve
