// `classify`: asks a patchserve server what is in pictures.
//
// Answers go to stdout in the order of the inputs, each as soon as it and those
// before it are there; errors go to stderr and name the file. If that is a terminal, it
// also shows how far a long list is.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/classifier_client.h"
#include "client/embeddings.h"
#include "client/in_order.h"
#include "client/inputs.h"
#include "client/output.h"
#include "client/progress.h"
#include "client/security_flags.h"
#include "client/stream_classifier.h"
#include "client/version_flag.h"

ABSL_FLAG(std::string, server, "127.0.0.1:8001", "the server, as host:port");
ABSL_FLAG(std::string, model, "", "the model's name; empty: the server's default model");
ABSL_FLAG(std::optional<int>, top_k, std::nullopt,
          "how many classes to print a file; unset: the server's default, 5");
ABSL_FLAG(std::string, output, "table", "table, json (an object a line) or csv");
ABSL_FLAG(std::optional<std::string>, embedding, std::nullopt,
          "write embeddings instead of classes: npy (a matrix and the names of its rows), json "
          "(an object a line) or csv");
ABSL_FLAG(std::string, to, "embeddings",
          "with --embedding=npy: the matrix goes to this name and .npy, the names to it and .txt");
ABSL_FLAG(bool, normalize, false, "with --embedding: scale each to length 1 (L2)");
ABSL_FLAG(int, concurrency, 8, "how many files are under way at once");
ABSL_FLAG(absl::Duration, deadline, absl::Seconds(10),
          "time for each file, retries included, as 500ms or 10s; inf: none");
ABSL_FLAG(bool, stream, false, "send all files over one ClassifyStream call: cheaper for many");

namespace patchserve {
namespace {

constexpr char kUsage[] = R"(asks a patchserve server what is in pictures.

  classify [flags] FILE|FOLDER|PATTERN|- ...

    classify cat.jpg                        a file
    classify --top_k=1 --output=csv photos  the images in a folder and its subfolders
    classify 'photos/2024-*.jpg'            a pattern
    curl -s https://.../cat.jpg | classify -
                                            one image from stdin
    classify --embedding=npy --to=photos photos
                                            photos.npy, a row a file, and photos.txt, their names

Exit status: 0 all files were classified; 1 some were not, or a flag is unknown or
can't be read; 2 other wrong usage.
)";

// For a call without arguments; --help lists the flags by itself.
constexpr char kFlags[] = R"(
  --server=HOST:PORT          127.0.0.1:8001
  --model=NAME                the server's default model
  --top_k=N                   classes a file; the server's default, 5
  --output=table|json|csv     table; json is an object a line
  --embedding=npy|json|csv    embeddings instead of classes; npy writes files, the others to stdout
  --to=NAME                   of those files: NAME.npy and NAME.txt; embeddings
  --normalize                 embeddings of length 1
  --concurrency=N             8 files under way at once
  --deadline=DURATION         10s for each file, retries included
  --stream                    all files over one call: cheaper for many
  --tls, --tls_ca=FILE        speak TLS, trusting the system's CAs or those of the file
  --tls_cert=FILE --tls_key=FILE
                              the client's own certificate
  --tls_server_name=NAME      what the server's certificate must say; the name in --server
  --token_file=FILE           the token to send
)";

constexpr int kSomeFailed = 1;
constexpr int kWrongUsage = 2;

int UsageError(absl::string_view message) {
  std::cerr << "classify: " << message << "\n";
  return kWrongUsage;
}

void PrintError(absl::string_view file, const absl::Status& error) {
  std::cerr << "classify: " << Printable(file) << ": " << Printable(error.ToString()) << "\n";
}

int LongestName(const std::vector<Input>& inputs) {
  size_t longest = 0;
  for (const Input& input : inputs) longest = std::max(longest, input.name.size());
  return static_cast<int>(longest);
}

// The way to the server that --stream chooses.
ClassifyFunction ConnectToServer(const Security& security, int concurrency) {
  auto channel = Connect(absl::GetFlag(FLAGS_server), {.security = security});
  if (!absl::GetFlag(FLAGS_stream)) return FunctionOf(std::make_shared<ClassifierClient>(channel));
  const StreamOptions stream_options = {.max_unanswered = concurrency};
  return FunctionOf(std::make_shared<StreamClassifier>(channel, stream_options));
}

absl::StatusOr<std::unique_ptr<AnswerWriter>> MakeWriter(int file_width) {
  const std::optional<std::string> embedding = absl::GetFlag(FLAGS_embedding);
  if (!embedding) return MakeAnswerWriter(absl::GetFlag(FLAGS_output), file_width, std::cout);
  return MakeEmbeddingWriter(*embedding, absl::GetFlag(FLAGS_to), std::cout);
}

// What is wrong with the flags; empty if nothing.
std::string WrongFlag() {
  const int concurrency = absl::GetFlag(FLAGS_concurrency);
  if (concurrency < 1) {
    return absl::StrCat("--concurrency is ", concurrency, "; it must be 1 or more");
  }
  if (absl::GetFlag(FLAGS_deadline) <= absl::ZeroDuration()) {
    return "--deadline must be more than 0";
  }
  const bool embedding = absl::GetFlag(FLAGS_embedding).has_value();
  if (absl::GetFlag(FLAGS_normalize) && !embedding) return "--normalize is for --embedding";
  if (embedding && (absl::GetFlag(FLAGS_top_k) || absl::GetFlag(FLAGS_output) != "table")) {
    return "--top_k and --output are for classes, --embedding=npy|json|csv is instead of them";
  }
  return "";
}

size_t TerminalColumns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

// A bar for a long list on a terminal; else none.
std::optional<ProgressBar> MakeProgressBar(size_t files) {
  constexpr size_t kFew = 20;
  if (files <= kFew || !isatty(STDERR_FILENO)) return std::nullopt;
  return std::optional<ProgressBar>(std::in_place, files, std::cerr, TerminalColumns, absl::Now());
}

int ClassifyAll(const std::vector<Input>& inputs, int concurrency, const ClassifyFunction& classify,
                const ClassifyOptions& options, AnswerWriter& writer) {
  std::optional<ProgressBar> progress = MakeProgressBar(inputs.size());
  if (progress) progress->Show(0, absl::Now());
  const bool answers_on_terminal = isatty(STDOUT_FILENO);
  bool all_well = true;
  int output_error = 0;
  RunInOrder<ClassifierClient::Answer>(
      inputs.size(), concurrency,
      [&](size_t i, auto done) {
        absl::StatusOr<std::string> image = ReadInput(inputs[i]);
        if (!image.ok()) return std::move(done)(image.status());
        classify(*std::move(image), options, std::move(done));
      },
      [&](size_t i, ClassifierClient::Answer answer) {
        if (progress && (answers_on_terminal || !answer.ok())) progress->Wipe();
        if (answer.ok()) {
          writer.Write(inputs[i].name, *answer);
        } else {
          PrintError(inputs[i].name, answer.status());
          all_well = false;
        }
        if (!std::cout.flush()) output_error = errno;
        const absl::Status written = writer.Flush();
        if (!written.ok()) {
          if (progress) progress->Wipe();
          std::cerr << "classify: " << Printable(written.message()) << "\n";
          all_well = false;
          return false;
        }
        if (progress) progress->Show(i + 1, absl::Now());
        return output_error == 0;
      });
  if (progress) progress->Wipe();
  // EPIPE: nobody reads on, which is no error worth a word.
  if (output_error != 0 && output_error != EPIPE) {
    std::cerr << "classify: can't write to stdout: " << std::strerror(output_error) << "\n";
  }
  if (output_error != 0) all_well = false;
  return all_well ? 0 : kSomeFailed;
}

int Main(int argc, char** argv) {
  AddVersionFlag("classify");
  absl::SetProgramUsageMessage(kUsage);
  const std::vector<char*> positional = absl::ParseCommandLine(argc, argv);
  const std::vector<std::string> arguments(positional.begin() + 1, positional.end());
  if (arguments.empty()) {
    std::cerr << "classify " << kUsage << kFlags;
    return kWrongUsage;
  }
  if (const std::string wrong = WrongFlag(); !wrong.empty()) return UsageError(wrong);
  const int concurrency = absl::GetFlag(FLAGS_concurrency);
  const ClassifyOptions options = {.model = absl::GetFlag(FLAGS_model),
                                   .top_k = absl::GetFlag(FLAGS_top_k),
                                   .deadline = absl::GetFlag(FLAGS_deadline),
                                   .embedding = absl::GetFlag(FLAGS_embedding).has_value(),
                                   .normalize_embedding = absl::GetFlag(FLAGS_normalize)};
  const std::vector<Input> inputs = ExpandArguments(arguments);
  auto writer = MakeWriter(LongestName(inputs));
  if (!writer.ok()) return UsageError(writer.status().message());
  const absl::StatusOr<Security> security = ReadSecurityFlags();
  if (!security.ok()) return UsageError(security.status().message());
  return ClassifyAll(inputs, concurrency, ConnectToServer(*security, concurrency), options,
                     **writer);
}

}  // namespace
}  // namespace patchserve

int main(int argc, char** argv) {
  // As any filter: if the reader of stdout goes away, so does this program.
  std::signal(SIGPIPE, SIG_DFL);
  return patchserve::Main(argc, argv);
}
