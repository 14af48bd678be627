// The real program `classify` against a fake server.
#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <latch>

#include "tests/client/fake_server.h"
#include "tests/client/run_program.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<std::string> Command(const FakeServer& server, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {CLASSIFY_PROGRAM, "--server=" + server.address()});
  return arguments;
}

// Refuses the image "bad".
grpc::Status RefuseBad(grpc::ServerContext& context, const v1::ClassifyRequest& request,
                       v1::ClassifyResponse& response) {
  if (request.encoded() == "bad") {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "not an image");
  }
  return FakeServer::PictureOfItsBytes(context, request, response);
}

TEST(ClassifyTest, WithoutArgumentsItPrintsHelpAndExitsWith2) {
  const Finished run = RunProgram({CLASSIFY_PROGRAM});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("classify [flags] FILE|FOLDER|PATTERN|-"));
}

TEST(ClassifyTest, AWrongFlagExitsWith2BeforeAnythingIsSent) {
  FakeServer server;
  EXPECT_EQ(RunProgram(Command(server, {"--concurrency=0", "-"})).exit_code, 2);
  EXPECT_EQ(RunProgram(Command(server, {"--deadline=0s", "-"})).exit_code, 2);
  EXPECT_EQ(RunProgram(Command(server, {"--output=xml", "-"})).exit_code, 2);
}

TEST(ClassifyTest, StdinIsOneImageCalledDash) {
  FakeServer server;
  const Finished run = RunProgram(Command(server, {"--output=csv", "-"}), "tabby");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, "file,rank,class_id,label,probability\r\n-,1,7,tabby,0.75\r\n");
}

TEST(ClassifyTest, FlagsReachTheServer) {
  v1::ClassifyRequest seen;
  FakeServer server([&](auto&, const v1::ClassifyRequest& request, auto&) {
    seen = request;
    return grpc::Status::OK;
  });
  RunProgram(Command(server, {"--model=vit", "--top_k=3", "-"}), "tabby");
  EXPECT_EQ(seen.model(), "vit");
  EXPECT_EQ(seen.top_k(), 3);
}

// Embeds an image as the number that it is named.
grpc::Status EmbedNumber(grpc::ServerContext&, const v1::ClassifyRequest& request,
                         v1::ClassifyResponse& response) {
  if (!request.embedding()) return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no classes");
  response.add_embedding(std::stof(request.encoded()));
  response.add_embedding(request.normalize_embedding());
  return grpc::Status::OK;
}

TEST(ClassifyTest, EmbeddingsOfAFolderBecomeAMatrixAndAListOfNames) {
  FakeServer server(EmbedNumber);
  TemporaryFolder photos, written;
  std::string names;
  for (int i = 10; i < 40; ++i) {
    names += photos.Write(std::to_string(i) + ".jpg", std::to_string(i)) + "\n";
  }
  const Finished run = RunOnTerminal(
      Command(server, {"--embedding=npy", "--to=" + written.path("v"), photos.path()}));
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_THAT(run.err, HasSubstr("/30"));  // the progress bar
  EXPECT_EQ(std::filesystem::file_size(written.path("v.npy")), 128 + 30 * 2 * sizeof(float));
  std::ifstream list(written.path("v.txt"));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(list), {}), names);
}

TEST(ClassifyTest, EmbeddingsMayBeNormalizedAndPrinted) {
  FakeServer server(EmbedNumber);
  const Finished run = RunProgram(Command(server, {"--embedding=csv", "--normalize", "-"}), "2.5");
  EXPECT_EQ(run.out, "file,0,1\r\n-,2.5,1\r\n");
}

TEST(ClassifyTest, FlagsThatContradictEmbeddingsAreRefused) {
  FakeServer server;
  for (const std::vector<std::string>& flags : {std::vector<std::string>{"--embedding=hdf5"},
                                                {"--embedding=csv", "--top_k=1"},
                                                {"--embedding=json", "--output=json"},
                                                {"--normalize"},
                                                {"--embedding=npy", "--to=/nowhere/v"}}) {
    std::vector<std::string> arguments = flags;
    arguments.push_back("-");
    EXPECT_EQ(RunProgram(Command(server, arguments)).exit_code, 2) << flags.back();
  }
}

TEST(ClassifyTest, AServerThatSendsNoEmbeddingIsAnError) {
  FakeServer server;
  const Finished run = RunProgram(Command(server, {"--embedding=json", "-"}), "tabby");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("the server sent no embedding of -"));
}

TEST(ClassifyTest, AnswersComeInTheOrderOfTheFilesHoweverTheServerAnswers) {
  std::latch others_are_answered(2);
  FakeServer server([&](grpc::ServerContext& context, const v1::ClassifyRequest& request,
                        v1::ClassifyResponse& response) {
    request.encoded() == "a" ? others_are_answered.wait() : others_are_answered.count_down();
    return FakeServer::PictureOfItsBytes(context, request, response);
  });
  TemporaryFolder folder;
  const std::string a = folder.Write("a.jpg", "a"), b = folder.Write("b.jpg", "b"),
                    c = folder.Write("c.jpg", "c");
  const Finished run = RunProgram(Command(server, {"--output=csv", folder.path()}));
  EXPECT_EQ(run.out, "file,rank,class_id,label,probability\r\n" + a + ",1,7,a,0.75\r\n" + b +
                         ",1,7,b,0.75\r\n" + c + ",1,7,c,0.75\r\n");
}

TEST(ClassifyTest, ABadFileIsNamedOnStderrAndTheOthersAreClassified) {
  FakeServer server(RefuseBad);
  TemporaryFolder folder;
  const std::string bad = folder.Write("a.jpg", "bad"), good = folder.Write("b.jpg", "good");
  const Finished run = RunProgram(Command(server, {"--output=csv", bad, good}));
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.err, "classify: " + bad + ": INVALID_ARGUMENT: not an image\n");
  EXPECT_THAT(run.out, HasSubstr(good + ",1,7,good,0.75"));
}

TEST(ClassifyTest, AMissingFileIsAnErrorOfThatFile) {
  FakeServer server;
  TemporaryFolder folder;
  const std::string good = folder.Write("b.jpg", "good");
  const Finished run = RunProgram(Command(server, {"--output=csv", "nowhere.jpg", good}));
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, StartsWith("classify: nowhere.jpg: NOT_FOUND: "));
  EXPECT_THAT(run.out, HasSubstr(good + ",1,7,good,0.75"));
}

TEST(ClassifyTest, WithoutAServerEachFileFails) {
  const Finished run =
      RunProgram({CLASSIFY_PROGRAM, "--server=127.0.0.1:1", "--deadline=50ms", "-"}, "tabby");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, StartsWith("classify: -: UNAVAILABLE: "));
}

TEST(ClassifyTest, AReaderThatGoesAwayEndsItWithoutAWord) {
  FakeServer server;
  TemporaryFolder folder;
  const Finished run = RunUnread(Command(server, {folder.Write("a.jpg", "a")}));
  EXPECT_EQ(run.signal, SIGPIPE);
  EXPECT_THAT(run.err, IsEmpty());
}

// A folder of 25 files with the contents a, b, ...
void WriteMany(const TemporaryFolder& folder) {
  for (char c = 'a'; c < 'a' + 25; ++c) folder.Write(std::string{c} + ".jpg", {c});
}

TEST(ClassifyTest, AStreamGivesTheSameAnswersInTheSameOrder) {
  FakeServer server(RefuseBad);
  TemporaryFolder folder;
  WriteMany(folder);
  folder.Write("c.jpg", "bad");
  const Finished calls = RunProgram(Command(server, {"--output=csv", folder.path()}));
  const Finished stream = RunProgram(Command(server, {"--output=csv", "--stream", folder.path()}));
  EXPECT_EQ(stream.exit_code, 1);
  EXPECT_EQ(stream.out, calls.out);
  EXPECT_EQ(stream.err, calls.err);
}

TEST(ClassifyTest, OnATerminalABarShowsHowFarManyFilesAreAndIsWipedAtTheEnd) {
  FakeServer server;
  TemporaryFolder folder;
  WriteMany(folder);
  const Finished run = RunOnTerminal(Command(server, {"--output=csv", folder.path()}));
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.err, AllOf(StartsWith("[>"), HasSubstr("  0/25  0 %"), EndsWith("\r\x1b[K")));
  EXPECT_THAT(run.out, Not(HasSubstr("/25")));
}

TEST(ClassifyTest, OnANarrowTerminalTheBarIsCut) {
  FakeServer server;
  TemporaryFolder folder;
  WriteMany(folder);
  const Finished run = RunOnTerminal(Command(server, {"--output=csv", folder.path()}), 10);
  EXPECT_THAT(run.err, StartsWith("[>       \r"));
}

TEST(ClassifyTest, ForFewFilesOrWithoutATerminalThereIsNoBar) {
  FakeServer server;
  TemporaryFolder folder;
  const std::string one = folder.Write("a.jpg", "a");
  EXPECT_THAT(RunOnTerminal(Command(server, {one})).err, IsEmpty());
  WriteMany(folder);
  EXPECT_THAT(RunProgram(Command(server, {folder.path()})).err, IsEmpty());
}

}  // namespace
}  // namespace patchserve
