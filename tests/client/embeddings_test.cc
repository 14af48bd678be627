#include "client/embeddings.h"

#include <gmock/gmock.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::ClassifyResponse Answer(const std::vector<float>& embedding) {
  v1::ClassifyResponse answer;
  answer.set_model("siglip");
  answer.set_version("0123456789ab");
  answer.mutable_embedding()->Assign(embedding.begin(), embedding.end());
  return answer;
}

std::string Printed(absl::string_view format, const std::vector<float>& embedding) {
  std::ostringstream out;
  (*MakeEmbeddingWriter(format, "", out))->Write("a,b.jpg", Answer(embedding));
  return out.str();
}

std::string BytesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class NpyTest : public ::testing::Test {
 protected:
  // The matrix's values after its header, which must be `shape`'s.
  std::vector<float> Matrix(const std::string& shape) {
    const std::string bytes = BytesOf(folder_.path("photos.npy"));
    EXPECT_EQ(bytes.substr(0, 10), std::string("\x93NUMPY\1\0\x76\0", 10));
    const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }";
    EXPECT_EQ(bytes.substr(10, header.size()), header);
    EXPECT_EQ(bytes[127], '\n');
    std::vector<float> values((bytes.size() - 128) / sizeof(float));
    std::memcpy(values.data(), bytes.data() + 128, values.size() * sizeof(float));
    return values;
  }

  absl::Status WriteAndFlush(const std::string& file, const std::vector<float>& embedding) {
    writer_->Write(file, Answer(embedding));
    return writer_->Flush();
  }

  TemporaryFolder folder_;
  std::ostringstream out_;
  std::unique_ptr<AnswerWriter> writer_ =
      MakeEmbeddingWriter("npy", folder_.path("photos"), out_).value();
};

TEST(EmbeddingJsonTest, AnAnswerIsOneLineInTheOrderOfTheManual) {
  EXPECT_EQ(Printed("json", {0.1f, -2}),
            R"({"file":"a,b.jpg","model":"siglip","version":"0123456789ab",)"
            R"("embedding":[0.1,-2.0]})"
            "\n");
}

TEST(EmbeddingCsvTest, ARowFollowsTheNumbersOfItsColumns) {
  EXPECT_EQ(Printed("csv", {0.1f, -2, 0.25f}), "file,0,1,2\r\n\"a,b.jpg\",0.1,-2,0.25\r\n");
}

TEST(EmbeddingTest, AValueComesBackExactly) {
  const std::vector<float> values = {1.0f / 3, 1e-30f, std::numeric_limits<float>::denorm_min()};
  EXPECT_EQ(nlohmann::json::parse(Printed("json", values))["embedding"].get<std::vector<float>>(),
            values);
}

TEST(EmbeddingTest, AnUnknownFormatIsRefused) {
  std::ostringstream out;
  EXPECT_EQ(MakeEmbeddingWriter("hdf5", "", out).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(NpyTest, TheMatrixHasARowForEachNameOfTheList) {
  EXPECT_TRUE(WriteAndFlush("a.jpg", {1, 2, 3}).ok());
  EXPECT_TRUE(WriteAndFlush("b\n.jpg", {4, 5, 6}).ok());
  EXPECT_THAT(Matrix("(2, 3)"), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(BytesOf(folder_.path("photos.txt")), "a.jpg\nb?.jpg\n");
}

TEST_F(NpyTest, TheFilesAreWholeAfterEachFlush) {
  EXPECT_THAT(Matrix("(0, 0)"), ElementsAre());
  EXPECT_TRUE(WriteAndFlush("a.jpg", {1}).ok());
  EXPECT_THAT(Matrix("(1, 1)"), ElementsAre(1));
}

TEST_F(NpyTest, AnEmbeddingOfAnotherLengthIsAnErrorAndNotWritten) {
  EXPECT_TRUE(WriteAndFlush("a.jpg", {1, 2}).ok());
  const absl::Status status = WriteAndFlush("b.jpg", {3});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("b.jpg has 1 values, those before have 2"));
  EXPECT_THAT(Matrix("(1, 2)"), ElementsAre(1, 2));
}

TEST_F(NpyTest, AnAnswerWithoutAnEmbeddingIsAnError) {
  EXPECT_THAT(std::string(WriteAndFlush("a.jpg", {}).message()),
              HasSubstr("no embedding of a.jpg"));
}

TEST_F(NpyTest, AFolderThatIsNotThereIsNamed) {
  const absl::Status status =
      MakeEmbeddingWriter("npy", folder_.path("nowhere/photos"), out_).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("nowhere/photos.npy"));
}

TEST(DevFullTest, ADiskThatIsFullIsAnError) {
  std::ostringstream out;
  TemporaryFolder folder;
  std::filesystem::create_symlink("/dev/full", folder.path("photos.npy"));
  EXPECT_THAT(
      std::string(MakeEmbeddingWriter("npy", folder.path("photos"), out).status().message()),
      HasSubstr("photos.npy: No space left on device"));
}

}  // namespace
}  // namespace patchserve
