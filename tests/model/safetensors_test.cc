#include "server/model/safetensors.h"

#include "nlohmann/json.hpp"
#include "tests/model/status_matchers.h"
#include "tests/model/write_safetensors.h"

namespace patchserve {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

auto Refused(const std::string& part) {
  return IsError(absl::StatusCode::kInvalidArgument, HasSubstr(part));
}

json Entry(const json& shape, const json& offsets, const json& dtype = "F32") {
  return {{"dtype", dtype}, {"shape", shape}, {"data_offsets", offsets}};
}

// A file with `data_bytes` bytes after this header.
auto Parse(const json& header, size_t data_bytes) {
  // The views outlive this function, but no test looks at their bytes.
  return ParseSafetensors(SafetensorsFile(header.dump(), std::string(data_bytes, 'x')));
}

TEST(SafetensorsTest, TensorsComeInTheOrderOfTheirBytes) {
  const std::string file = SafetensorsFile(
      R"({"__metadata__": {"format": "pt"},
          "a": {"dtype": "F32", "shape": [1, 2], "data_offsets": [2, 10]},
          "b": {"dtype": "BF16", "shape": [], "data_offsets": [0, 2]}}   )",
      "bbaaaaaaaa");
  const auto tensors = ParseSafetensors(file);
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 2);
  EXPECT_EQ((*tensors)[0].name, "b");
  EXPECT_EQ((*tensors)[0].dtype, "BF16");
  EXPECT_THAT((*tensors)[0].shape, IsEmpty());
  EXPECT_THAT((*tensors)[1].shape, ElementsAre(1, 2));
  EXPECT_THAT((*tensors)[1].bytes, ElementsAre('a', 'a', 'a', 'a', 'a', 'a', 'a', 'a'));
}

TEST(SafetensorsTest, AnEmptyTensorTakesNoPlace) {
  EXPECT_TRUE(Parse({{"a", Entry({4}, {0, 16})}, {"b", Entry({0, 7}, {0, 0})}}, 16).ok());
}

TEST(SafetensorsTest, AHeaderLongerThanTheFileIsRefused) {
  EXPECT_THAT(ParseSafetensors("1234567"), Refused("7 bytes, too short"));
  EXPECT_THAT(ParseSafetensors(std::string("\x09\0\0\0\0\0\0\0{}", 10)),
              Refused("header of 9 bytes in a file of 10 bytes"));
  EXPECT_THAT(ParseSafetensors(std::string(16, '\xff')),
              Refused("header of 18446744073709551615 bytes"));
}

TEST(SafetensorsTest, AHeaderThatIsNotAnObjectOfObjectsIsRefused) {
  EXPECT_THAT(ParseSafetensors(SafetensorsFile("not JSON", "")), Refused("not valid JSON"));
  EXPECT_THAT(ParseSafetensors(SafetensorsFile("", "")), Refused("not valid JSON"));
  EXPECT_THAT(Parse({1}, 0), Refused("not a JSON object"));
  EXPECT_THAT(Parse({{"a", 1}}, 0), Refused("tensor a: not an object"));
}

TEST(SafetensorsTest, ATensorNamedTwiceIsRefused) {
  const std::string entry = Entry({1}, {0, 4}).dump();
  EXPECT_THAT(
      ParseSafetensors(SafetensorsFile("{\"a\": " + entry + ", \"a\": " + entry + "}", "xxxx")),
      Refused("\"a\" twice"));
}

TEST(SafetensorsTest, OffsetsPastTheEndAreRefused) {
  EXPECT_THAT(Parse({{"a", Entry({4}, {0, 16})}}, 15),
              Refused("tensor a: data_offsets end at 16, the file's data at 15"));
}

TEST(SafetensorsTest, OffsetsThatDontFitTheShapeAreRefused) {
  EXPECT_THAT(Parse({{"a", Entry({4}, {0, 15})}}, 15),
              Refused("data_offsets span 15 bytes, its shape and dtype need 16"));
  EXPECT_THAT(Parse({{"a", Entry({4}, {16, 0})}}, 16), Refused("data_offsets is [16,0]"));
  EXPECT_THAT(Parse({{"a", Entry({4}, {0, 16, 17})}}, 16), Refused("data_offsets"));
  EXPECT_THAT(Parse({{"a", Entry({4}, {-16, 0})}}, 16), Refused("data_offsets"));
}

TEST(SafetensorsTest, AShapeThatOverflowsIsRefused) {
  const int64_t big = int64_t{1} << 40;
  EXPECT_THAT(Parse({{"a", Entry({big, big}, {0, 16})}}, 16), Refused("more than 2^63 bytes"));
  EXPECT_THAT(Parse({{"a", Entry({18446744073709551615u}, {0, 16})}}, 16), Refused("shape is"));
  EXPECT_THAT(Parse({{"a", Entry({-4}, {0, 16})}}, 16), Refused("shape is [-4]"));
  EXPECT_THAT(Parse({{"a", Entry({1.5}, {0, 16})}}, 16), Refused("shape is [1.5]"));
}

TEST(SafetensorsTest, OverlapsAndGapsAreRefused) {
  EXPECT_THAT(Parse({{"a", Entry({2}, {0, 8})}, {"b", Entry({2}, {4, 12})}}, 12),
              Refused("tensor b begins at 4, inside of the tensor before it, which ends at 8"));
  EXPECT_THAT(Parse({{"a", Entry({2}, {0, 8})}, {"b", Entry({2}, {0, 8})}}, 8),
              Refused("inside of the tensor before it"));
  EXPECT_THAT(Parse({{"a", Entry({2}, {0, 8})}, {"b", Entry({2}, {12, 20})}}, 20),
              Refused("tensor b begins at 12, with a gap"));
  EXPECT_THAT(Parse({{"a", Entry({2}, {0, 8})}}, 9),
              Refused("tensors end at 8, the file's data at 9"));
}

TEST(SafetensorsTest, MissingOrUnknownFieldsAreRefused) {
  EXPECT_THAT(Parse({{"a", {{"dtype", "F32"}}}}, 0), Refused("shape is missing"));
  EXPECT_THAT(Parse({{"a", Entry({1}, {0, 4}, "F31")}}, 4), Refused("dtype F31 is not known"));
  EXPECT_THAT(Parse({{"a", Entry({1}, {0, 4}, 32)}}, 4), Refused("dtype is 32"));
}

}  // namespace
}  // namespace patchserve
