#include "server/model/weights_files.h"

#include "tests/model/status_matchers.h"
#include "tests/model/write_safetensors.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class WeightsFilesTest : public testing::Test {
 protected:
  void WriteIndex(const std::string& weight_map) {
    folder_.Write("model.safetensors.index.json", "{\"weight_map\": {" + weight_map + "}}");
  }
  void WriteTensors(const std::string& file, const std::vector<std::string>& names) {
    std::map<std::string, RawTensor> tensors;
    for (const std::string& name : names) tensors[name] = FloatTensor({1}, {1});
    folder_.Write(file, SafetensorsFile(tensors));
  }
  absl::StatusOr<std::vector<std::string>> Names() {
    const auto files = ReadWeightsFiles(folder_.path());
    if (!files.ok()) return files.status();
    const auto tensors = ParseWeightsFiles(*files);
    if (!tensors.ok()) return tensors.status();
    std::vector<std::string> names;
    for (const TensorView& tensor : *tensors) names.push_back(tensor.name);
    return names;
  }

  TemporaryFolder folder_;
};

TEST_F(WeightsFilesTest, ShardsAreReadTogether) {
  WriteIndex(R"("a": "1.safetensors", "b": "2.safetensors")");
  WriteTensors("1.safetensors", {"a"});
  WriteTensors("2.safetensors", {"b", "c"});
  EXPECT_THAT(*Names(), ElementsAre("a", "b", "c"));
}

TEST_F(WeightsFilesTest, OneFileGoesBeforeAnIndex) {
  WriteIndex(R"("a": "1.safetensors")");
  WriteTensors("model.safetensors", {"one"});
  EXPECT_THAT(*Names(), ElementsAre("one"));
}

TEST_F(WeightsFilesTest, AShardThatIsMissingIsNamed) {
  WriteIndex(R"("a": "1.safetensors")");
  EXPECT_THAT(Names(), IsError(absl::StatusCode::kNotFound, HasSubstr("1.safetensors: no such")));
}

TEST_F(WeightsFilesTest, AShardWithoutATensorThatTheIndexNamesIsRefused) {
  WriteIndex(R"("a": "1.safetensors", "z": "1.safetensors")");
  WriteTensors("1.safetensors", {"a"});
  EXPECT_THAT(Names(),
              IsError(absl::StatusCode::kInvalidArgument,
                      AllOf(HasSubstr("1.safetensors"), HasSubstr("tensor z is missing"))));
}

TEST_F(WeightsFilesTest, ATensorInTwoShardsIsRefused) {
  WriteIndex(R"("a": "1.safetensors", "b": "2.safetensors")");
  WriteTensors("1.safetensors", {"a"});
  WriteTensors("2.safetensors", {"a", "b"});
  EXPECT_THAT(Names(), IsError(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("2.safetensors"),
                                     HasSubstr("tensor a is in another shard too"))));
}

TEST_F(WeightsFilesTest, APointerInTheIndexsPlaceIsNamed) {
  folder_.Write("model.safetensors.index.json", "version https://git-lfs.github.com/spec/v1\n");
  EXPECT_THAT(Names(), IsError(absl::StatusCode::kInvalidArgument,
                               HasSubstr("model.safetensors.index.json is a Git LFS pointer")));
}

}  // namespace
}  // namespace patchserve
