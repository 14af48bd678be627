// How the command line writes embeddings.
#pragma once

#include <memory>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/output.h"

namespace patchserve {

// The writer that is called `format`:
//   npy   NAME.npy, a float32 matrix with a row for each answer, as numpy.load reads it, and
//         NAME.txt, the names of the rows' files, one a line (control characters become '?').
//         Both are written anew, and are whole after each Flush.
//   json  an object a line to `out`: {"file", "model", "version", "embedding": [...]}
//   csv   RFC 4180 to `out`, a row for each answer, with the header file,0,1,2,...
// `out` must outlive the writer. Numbers have as many digits as give the same float32 back.
// Flush's errors: FAILED_PRECONDITION: an answer without an embedding, or of another length than
// the first one's. UNKNOWN: a file that can't be written.
// Errors: INVALID_ARGUMENT: no such format. UNKNOWN: NAME.npy or NAME.txt can't be written.
absl::StatusOr<std::unique_ptr<AnswerWriter>> MakeEmbeddingWriter(absl::string_view format,
                                                                  const std::string& name,
                                                                  std::ostream& out);

}  // namespace patchserve
