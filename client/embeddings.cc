#include "client/embeddings.h"

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/formats.h"

namespace patchserve {
namespace {

// The checks that all formats share. A matrix has one width.
class EmbeddingWriter : public AnswerWriter {
 public:
  void Write(absl::string_view file, const v1::ClassifyResponse& answer) override {
    const size_t size = answer.embedding_size();
    if (size == 0) {
      status_ = absl::FailedPreconditionError(
          absl::StrCat("the server sent no embedding of ", Printable(file)));
    } else if (size_ != 0 && size != size_) {
      status_ = absl::FailedPreconditionError(
          absl::StrCat("the embedding of ", Printable(file), " has ", size,
                       " values, those before have ", size_, ": was the model replaced?"));
    }
    if (!status_.ok()) return;
    const bool first = size_ == 0;
    size_ = size;
    WriteRow(file, answer, first);
  }

  absl::Status Flush() override { return status_; }

 protected:
  size_t size() const { return size_; }  // of an embedding; 0 before the first one

 private:
  virtual void WriteRow(absl::string_view file, const v1::ClassifyResponse& answer, bool first) = 0;

  size_t size_ = 0;
  absl::Status status_;
};

// Version 1.0 of the format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
class NpyWriter : public EmbeddingWriter {
 public:
  explicit NpyWriter(const std::string& name)
      : name_(name),
        matrix_(name + ".npy", std::ios::binary | std::ios::trunc),
        names_(name + ".txt", std::ios::binary | std::ios::trunc) {}

  absl::Status Flush() override {
    absl::Status status = EmbeddingWriter::Flush();
    if (!status.ok()) return status;
    matrix_.seekp(0);
    matrix_ << Header();
    matrix_.seekp(0, std::ios::end);
    matrix_.flush();
    names_.flush();
    if (matrix_ && names_) return absl::OkStatus();
    return absl::UnknownError(
        absl::StrCat("can't write ", name_, matrix_ ? ".txt" : ".npy", ": ", std::strerror(errno)));
  }

 private:
  void WriteRow(absl::string_view file, const v1::ClassifyResponse& answer, bool) override {
    static_assert(std::endian::native == std::endian::little);
    matrix_.write(reinterpret_cast<const char*>(answer.embedding().data()),
                  static_cast<std::streamsize>(size() * sizeof(float)));
    names_ << Printable(file) << '\n';
    ++rows_;
  }

  // Always as long, so that it can be written over.
  std::string Header() const {
    constexpr size_t kBytes = 128, kBegin = 10;
    std::string header = absl::StrFormat(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows_, size());
    header.resize(kBytes - kBegin - 1, ' ');
    const char length = static_cast<char>(kBytes - kBegin);
    return absl::StrCat(absl::string_view("\x93NUMPY\1\0", 8), absl::string_view(&length, 1),
                        absl::string_view("\0", 1), header, "\n");
  }

  const std::string name_;
  std::ofstream matrix_, names_;
  size_t rows_ = 0;
};

class JsonWriter : public EmbeddingWriter {
 public:
  explicit JsonWriter(std::ostream& out) : out_(out) {}

 private:
  void WriteRow(absl::string_view file, const v1::ClassifyResponse& answer, bool) override {
    out_ << JsonLine({{"file", std::string(file)},
                      {"model", answer.model()},
                      {"version", answer.version()},
                      {"embedding", FloatJson(answer.embedding())}});
  }

  std::ostream& out_;
};

class CsvWriter : public EmbeddingWriter {
 public:
  explicit CsvWriter(std::ostream& out) : out_(out) {}

 private:
  void WriteRow(absl::string_view file, const v1::ClassifyResponse& answer, bool first) override {
    if (first) {
      out_ << "file";
      for (size_t i = 0; i < size(); ++i) out_ << ',' << i;
      out_ << "\r\n";
    }
    out_ << CsvField(file);
    for (float value : answer.embedding()) out_ << ',' << Shortest(value);
    out_ << "\r\n";
  }

  std::ostream& out_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AnswerWriter>> MakeEmbeddingWriter(absl::string_view format,
                                                                  const std::string& name,
                                                                  std::ostream& out) {
  if (format == "json") return std::make_unique<JsonWriter>(out);
  if (format == "csv") return std::make_unique<CsvWriter>(out);
  if (format != "npy") {
    return absl::InvalidArgumentError(
        absl::StrCat("--embedding is '", format, "'; it can be npy, json or csv"));
  }
  auto writer = std::make_unique<NpyWriter>(name);
  const absl::Status written = writer->Flush();
  if (!written.ok()) return written;
  return writer;
}

}  // namespace patchserve
