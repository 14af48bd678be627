// How the command line prints answers.
#pragma once

#include <memory>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "patchserve/v1/classification.pb.h"

namespace patchserve {

// Prints answers one by one. Not thread-safe.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;

  // Prints the whole answer for `file`, an input's name in whatever encoding.
  // That printing failed is seen in the stream's state.
  virtual void Write(absl::string_view file, const v1::ClassifyResponse& answer) = 0;

  // To be called after each Write. Errors, after which nothing more is to be written: of those
  // that print to files of their own.
  virtual absl::Status Flush() { return absl::OkStatus(); }
};

// The writer that is called `format`. It prints to `out`, which must outlive it:
//   table  for people: columns file, rank, probability as per cent, and the class
//          in words; the file is named in the first of its rows. `file_width` is the
//          length of the longest name to come. Control characters become '?', no
//          colours.
//   json   one object a line: {"file", "model", "version", "predictions":
//          [{"class_id", "label", "probability"}]}, best first. Bytes of a file's
//          name that aren't UTF-8 become U+FFFD.
//   csv    RFC 4180 with the header file,rank,class_id,label,probability; a row a
//          prediction, ranks from 1. Names keep their bytes.
// Probabilities in json and csv have as many digits as give the same float32 back.
// Errors: INVALID_ARGUMENT: no such format.
absl::StatusOr<std::unique_ptr<AnswerWriter>> MakeAnswerWriter(absl::string_view format,
                                                               int file_width, std::ostream& out);

// `text` with its control characters, which a terminal would obey, as '?'.
std::string Printable(absl::string_view text);

}  // namespace patchserve
