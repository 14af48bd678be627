#include "server/rpc/parse.h"

#include <gmock/gmock.h>

#include <limits>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/stubs/logging.h"
#include "inference/grpc_service.pb.h"
#include "patchserve/v1/classification.pb.h"
#include "tests/rpc/garbage.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;
using Infer = inference::ModelInferRequest;

// In two slices, as messages come that are longer than a frame.
grpc::ByteBuffer Buffer(const std::string& bytes) {
  const size_t half = bytes.size() / 2;
  const grpc::Slice slices[] = {grpc::Slice(bytes.substr(0, half)),
                                grpc::Slice(bytes.substr(half))};
  return grpc::ByteBuffer(slices, 2);
}

int64_t Size(const std::string& bytes) {
  grpc::ByteBuffer buffer = Buffer(bytes);
  return ParsedSize(buffer, *Infer::descriptor(), std::numeric_limits<int64_t>::max());
}

std::string Repeated(absl::string_view bytes, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) absl::StrAppend(&all, bytes);
  return all;
}

Infer Tensors(int inputs, int values) {
  Infer message;
  message.set_model_name("vit");
  for (int i = 0; i < inputs; ++i) {
    auto& input = *message.add_inputs();
    input.set_name("image");
    input.set_datatype("UINT8");
    for (int side : {1, 224, 224, 3}) input.add_shape(side);
    (*input.mutable_parameters())["key"].set_int64_param(i);
    auto& contents = *input.mutable_contents();
    for (int j = 0; j < values; ++j) {
      contents.add_uint_contents(j % 300);
      contents.add_int64_contents(j % 100 - 50);
      contents.add_fp32_contents(0.5f);
      contents.add_fp64_contents(0.5);
      contents.add_bool_contents(true);
      if (j % 10 == 0) contents.add_bytes_contents(std::string(j % 70, 'x'));
    }
    message.add_outputs()->set_name("probabilities");
  }
  return message;
}

TEST(ParseTest, TheSizeIsNearWhatTheMessageTakes) {
  for (const auto& [inputs, values] :
       {std::pair{0, 0}, {1, 0}, {1, 150'000}, {3'000, 2}, {300, 300}}) {
    const std::string bytes = Tensors(inputs, values).SerializeAsString();
    Infer parsed;
    ASSERT_TRUE(parsed.ParseFromString(bytes));
    const auto taken = static_cast<double>(parsed.SpaceUsedLong());
    EXPECT_GT(Size(bytes) + 1000, 0.6 * taken)
        << inputs << " " << values;  // capacity may be double
    EXPECT_LT(Size(bytes), 5 * taken + 1000) << inputs << " " << values;
  }
}

TEST(ParseTest, WhatParsesIsParsed) {
  const Infer message = Tensors(3, 1000);
  Infer parsed;
  ASSERT_TRUE(Parse(Buffer(message.SerializeAsString()), parsed).ok());
  EXPECT_EQ(parsed.SerializeAsString(), message.SerializeAsString());
}

struct Bomb {
  const char* name;
  std::string element;
};

class ParseBombTest : public ::testing::TestWithParam<Bomb> {};

TEST_P(ParseBombTest, MillionsOfTinyFieldsAreRefused) {
  Infer message;
  const absl::Status refused = Parse(Buffer(Repeated(GetParam().element, 3'000'000)), message);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("so many fields"));
  EXPECT_LT(message.SpaceUsedLong(), 1000);
  EXPECT_TRUE(Parse(Buffer(Repeated(GetParam().element, 1000)), message).ok());
}

INSTANTIATE_TEST_SUITE_P(
    All, ParseBombTest,
    ::testing::Values(Bomb{"Inputs", std::string("\x2a\x00", 2)},
                      Bomb{"InputsOfInputs", std::string("\x2a\x02\x2a\x00", 4)},
                      Bomb{"Raw", std::string("\x3a\x00", 2)},
                      Bomb{"Parameters", std::string("\x22\x00", 2)},
                      Bomb{"InputsOfANumber", std::string("\x2a\x05\x2a\x03\x1a\x01\x00", 7)},
                      Bomb{"UnknownNumbers", std::string("\x78\x00", 2)},
                      Bomb{"UnknownBytes", std::string("\x7a\x00", 2)},
                      Bomb{"UnknownGroups", std::string("\x7b\x7c", 2)}),
    [](const auto& info) { return info.param.name; });

TEST(ParseTest, PixelsAsNumbersArentABombHoweverDarkAndMany) {
  for (int count : {64 * 224 * 224 * 3, (1 << 22) + 1, (1 << 23) + 1, (1 << 24) + 1}) {
    Infer message, parsed;
    message.add_inputs()->mutable_contents()->mutable_uint_contents()->Resize(count, 0);
    EXPECT_TRUE(Parse(Buffer(message.SerializeAsString()), parsed).ok()) << count;
  }
}

TEST(ParseTest, NothingIsRefusedThatProtobufParses) {
  const google::protobuf::LogSilencer silent;  // of texts that aren't UTF-8
  std::mt19937 random(1);
  int parsable = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = Tensors(2, 20).SerializeAsString();
    for (int change = random() % 3; change >= 0; --change) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    Infer expected, parsed;
    const bool parses = expected.ParseFromString(bytes);
    parsable += parses;
    EXPECT_EQ(Parse(Buffer(bytes), parsed).ok(), parses) << i;
  }
  EXPECT_GT(parsable, 1000);
  EXPECT_LT(parsable, 19'000);
}

TEST(ParseTest, GroupsNestAsDeepAsForProtobuf) {
  for (const auto& [deep, parses] : {std::pair{100, true}, {101, false}, {5000, false}}) {
    const std::string bytes = Repeated("\x7b", deep) + Repeated("\x7c", deep);
    Infer message;
    EXPECT_EQ(message.ParseFromString(bytes), parses) << deep;
    EXPECT_EQ(Parse(Buffer(bytes), message), parses ? absl::OkStatus() : Unparsable()) << deep;
  }
}

}  // namespace
}  // namespace patchserve
