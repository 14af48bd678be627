#include "client/output.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/formats.h"

namespace patchserve {
namespace {

// The columns that a terminal gives to UTF-8 text, roughly: one a code point.
int Width(absl::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

std::string PadRight(absl::string_view text, int width) {
  return absl::StrCat(text, std::string(std::max(0, width - Width(text)), ' '));
}

class TableWriter : public AnswerWriter {
 public:
  TableWriter(int file_width, std::ostream& out)
      : file_width_(std::clamp(file_width, kMinFileWidth, kMaxFileWidth)), out_(out) {
    out_ << PadRight("FILE", file_width_) << "  RANK  PROBABILITY  CLASS\n";
  }

  void Write(absl::string_view file, const v1::ClassifyResponse& answer) override {
    int rank = 0;
    for (const v1::Prediction& p : answer.predictions()) {
      const std::string& name = p.description().empty() ? p.label() : p.description();
      out_ << PadRight(rank == 0 ? Printable(file) : "", file_width_)
           << absl::StrFormat("  %4d  %9.2f %%  %s\n", rank + 1, 100 * p.probability(),
                              Printable(name));
      ++rank;
    }
  }

 private:
  static constexpr int kMinFileWidth = 4;   // the heading's
  static constexpr int kMaxFileWidth = 60;  // a longer name moves its own row only

  int file_width_;
  std::ostream& out_;
};

class JsonWriter : public AnswerWriter {
 public:
  explicit JsonWriter(std::ostream& out) : out_(out) {}

  void Write(absl::string_view file, const v1::ClassifyResponse& answer) override {
    FloatJson predictions = FloatJson::array();
    for (const v1::Prediction& p : answer.predictions()) {
      predictions.push_back(
          {{"class_id", p.class_id()}, {"label", p.label()}, {"probability", p.probability()}});
    }
    const FloatJson line = {{"file", std::string(file)},
                            {"model", answer.model()},
                            {"version", answer.version()},
                            {"predictions", std::move(predictions)}};
    out_ << JsonLine(line);
  }

 private:
  std::ostream& out_;
};

class CsvWriter : public AnswerWriter {
 public:
  explicit CsvWriter(std::ostream& out) : out_(out) {
    out_ << "file,rank,class_id,label,probability\r\n";
  }

  void Write(absl::string_view file, const v1::ClassifyResponse& answer) override {
    int rank = 0;
    for (const v1::Prediction& p : answer.predictions()) {
      out_ << absl::StrCat(CsvField(file), ",", ++rank, ",", p.class_id(), ",", CsvField(p.label()),
                           ",", Shortest(p.probability()), "\r\n");
    }
  }

 private:
  std::ostream& out_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AnswerWriter>> MakeAnswerWriter(absl::string_view format,
                                                               int file_width, std::ostream& out) {
  if (format == "table") return std::make_unique<TableWriter>(file_width, out);
  if (format == "json") return std::make_unique<JsonWriter>(out);
  if (format == "csv") return std::make_unique<CsvWriter>(out);
  return absl::InvalidArgumentError(
      absl::StrCat("--output is '", format, "'; it can be table, json or csv"));
}

std::string Printable(absl::string_view text) {
  std::string printable(text);
  std::replace_if(printable.begin(), printable.end(), absl::ascii_iscntrl, '?');
  return printable;
}

}  // namespace patchserve
