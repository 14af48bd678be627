#include "client/output.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

namespace patchserve {
namespace {

v1::ClassifyResponse Answer(const std::string& label, float probability,
                            const std::string& description = "") {
  v1::ClassifyResponse answer;
  answer.set_model("vit");
  answer.set_version("0123456789ab");
  v1::Prediction& prediction = *answer.add_predictions();
  prediction.set_class_id(281);
  prediction.set_label(label);
  prediction.set_description(description);
  prediction.set_probability(probability);
  return answer;
}

std::string Printed(absl::string_view format, absl::string_view file,
                    const v1::ClassifyResponse& answer, int file_width = 0) {
  std::ostringstream out;
  (*MakeAnswerWriter(format, file_width, out))->Write(file, answer);
  return out.str();
}

TEST(JsonTest, AnAnswerIsOneLineInTheOrderOfTheManual) {
  EXPECT_EQ(Printed("json", "cat.jpg", Answer("n02123045", 0.1f)),
            R"({"file":"cat.jpg","model":"vit","version":"0123456789ab","predictions":)"
            R"([{"class_id":281,"label":"n02123045","probability":0.1}]})"
            "\n");
}

TEST(JsonTest, ANameThatIsNotUtf8HasItsBadBytesReplaced) {
  const auto line = nlohmann::json::parse(Printed("json", "caf\xe9.jpg", Answer("a", 1)));
  EXPECT_EQ(line["file"], "caf\xef\xbf\xbd.jpg");
}

TEST(JsonTest, AProbabilityComesBackExactly) {
  for (float p : {0.1f, 1.0f / 3, 1e-30f, 0.99999994f, std::numeric_limits<float>::denorm_min()}) {
    const auto line = nlohmann::json::parse(Printed("json", "a", Answer("a", p)));
    EXPECT_EQ(line["predictions"][0]["probability"].get<float>(), p);
  }
}

TEST(CsvTest, RowsFollowTheHeaderWithRanksFromOne) {
  v1::ClassifyResponse answer = Answer("cat", 0.75f);
  *answer.add_predictions() = answer.predictions(0);
  EXPECT_EQ(Printed("csv", "a.jpg", answer),
            "file,rank,class_id,label,probability\r\n"
            "a.jpg,1,281,cat,0.75\r\n"
            "a.jpg,2,281,cat,0.75\r\n");
}

TEST(CsvTest, FieldsWithCommasQuotesOrLineEndsAreQuoted) {
  EXPECT_EQ(Printed("csv", "a,\"b\".jpg", Answer("x\ny", 1)),
            "file,rank,class_id,label,probability\r\n"
            "\"a,\"\"b\"\".jpg\",1,281,\"x\ny\",1\r\n");
}

TEST(CsvTest, AProbabilityComesBackExactly) {
  const std::string rows = Printed("csv", "a", Answer("a", 1.0f / 3));
  EXPECT_EQ(std::stof(rows.substr(rows.rfind(',') + 1)), 1.0f / 3);
}

TEST(TableTest, ColumnsLineUpAndTheFileIsNamedOnce) {
  v1::ClassifyResponse answer = Answer("n02123045", 0.8251f, "tabby, tabby cat");
  *answer.add_predictions() = Answer("n02124075", 0.0712f).predictions(0);
  EXPECT_EQ(Printed("table", "cat.jpg", answer, 9),
            "FILE       RANK  PROBABILITY  CLASS\n"
            "cat.jpg       1      82.51 %  tabby, tabby cat\n"
            "              2       7.12 %  n02124075\n");
}

TEST(TableTest, NamesBeyondAsciiKeepTheColumnsInLine) {
  EXPECT_EQ(Printed("table", "caf\xc3\xa9", Answer("a", 1), 5),
            "FILE   RANK  PROBABILITY  CLASS\n"
            "caf\xc3\xa9      1     100.00 %  a\n");
}

TEST(TableTest, ControlCharactersDoNotReachTheTerminal) {
  EXPECT_EQ(Printed("table", "\x1b[2J", Answer("a\n", 1)),
            "FILE  RANK  PROBABILITY  CLASS\n"
            "?[2J     1     100.00 %  a?\n");
}

TEST(MakeAnswerWriterTest, AnUnknownFormatNamesThoseThatThereAre) {
  std::ostringstream out;
  EXPECT_EQ(MakeAnswerWriter("xml", 0, out).status(),
            absl::InvalidArgumentError("--output is 'xml'; it can be table, json or csv"));
}

}  // namespace
}  // namespace patchserve
