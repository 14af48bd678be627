// What a server on a network is sent: each wrong request gets its status and a message
// that helps, and the server goes on.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/image/webp_of_groups.h"
#include "tests/system/server_fixture.h"

extern char** environ;

namespace patchserve {
namespace {

using ::testing::HasSubstr;

class BadInputSystemTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    server = new ServingProcess({"--models=" + kTestModels, "--default_model=vit"});
  }
  static void TearDownTestSuite() { delete server; }
  void SetUp() override { ASSERT_TRUE(server->serving) << server->process.log(); }
  // Whatever was sent, a good photo is still answered.
  void TearDown() override {
    v1::ClassifyResponse response;
    EXPECT_TRUE(server->Classify(EncodedRequest(TestImage("chelsea.jpg")), &response).ok());
  }

  static void ExpectError(const v1::ClassifyRequest& request, grpc::StatusCode code,
                          const std::string& text) {
    v1::ClassifyResponse response;
    const grpc::Status status = server->Classify(request, &response);
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(text));
  }

  static ServingProcess* server;
};

ServingProcess* BadInputSystemTest::server = nullptr;

std::string BigEndian(uint32_t number) {
  return {static_cast<char>(number >> 24), static_cast<char>(number >> 16),
          static_cast<char>(number >> 8), static_cast<char>(number)};
}

// Its tables of codes would take 193 MB. By this the program, and not only a test of its parts, has
// libwebp ask it for memory.
TEST_F(BadInputSystemTest, AWebPThatTakesFarMoreThanItsPixelsIsAnInvalidArgument) {
  const std::vector<uint8_t> file = WebPOfGroups(512, 16384);
  ExpectError(EncodedRequest(std::string(file.begin(), file.end())),
              grpc::StatusCode::INVALID_ARGUMENT, "too many tables");
}

TEST_F(BadInputSystemTest, WrongImagesAreInvalidArguments) {
  using std::string_literals::operator""s;
  const std::string jpeg = TestImage("chelsea.jpg"), png = TestImage("rgb.png");
  const std::string bomb = "\x89PNG\r\n\x1a\n"s + BigEndian(13) + "IHDR" + BigEndian(60000) +
                           BigEndian(60000) + "\x08\x02\0\0\0"s + BigEndian(0);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "empty"},
      {"a text, not a photo", "JPEG, PNG, WebP or BMP"},
      {"GIF89a and so on", "JPEG, PNG, WebP or BMP"},
      {jpeg.substr(0, jpeg.size() / 2), ""},
      {png.substr(0, png.size() / 2), ""},
      {bomb, "60000x60000"},
      {jpeg + std::string(21'000'000, '\0'), "20000000"},
  };
  for (const auto& [bytes, text] : cases) {
    ExpectError(EncodedRequest(bytes), grpc::StatusCode::INVALID_ARGUMENT, text);
  }
}

TEST_F(BadInputSystemTest, UnusualButGoodImagesAreAnswered) {
  for (const char* name :
       {"cmyk.jpg", "gray16.png", "rgb16.png", "palette8.png", "rgba.png", "animated.png",
        "animated.webp", "progressive.jpg", "orientation6.jpg", "bits24.bmp"}) {
    v1::ClassifyResponse response;
    const grpc::Status status = server->Classify(EncodedRequest(TestImage(name)), &response);
    EXPECT_TRUE(status.ok()) << name << ": " << status.error_message();
  }
}

TEST_F(BadInputSystemTest, TheOrientationIsReported) {
  v1::ClassifyResponse response;
  ASSERT_TRUE(server->Classify(EncodedRequest(TestImage("orientation6.jpg")), &response).ok());
  EXPECT_EQ(response.image().orientation(), 6);
}

TEST_F(BadInputSystemTest, WrongOptionsNameWhatIsWrong) {
  using Change = std::function<void(v1::ClassifyRequest&)>;
  struct Case {
    Change change;
    grpc::StatusCode code;
    std::string text;
  };
  const std::vector<Case> cases = {
      {[](auto& r) { r.set_model("nobody"); }, grpc::StatusCode::NOT_FOUND, "nobody"},
      {[](auto& r) { r.set_version("0"); }, grpc::StatusCode::FAILED_PRECONDITION, "at version"},
      {[](auto& r) { r.set_top_k(0); }, grpc::StatusCode::INVALID_ARGUMENT, "top_k is 0"},
      {[](auto& r) { r.set_top_k(-7); }, grpc::StatusCode::INVALID_ARGUMENT, "top_k is -7"},
      {[](auto& r) { r.clear_image(); }, grpc::StatusCode::INVALID_ARGUMENT, "no image"},
      {[](auto& r) {
         r.mutable_raw()->set_width(4);
         r.mutable_raw()->set_height(4);
         r.mutable_raw()->set_format(v1::RAW_FORMAT_RGB);
         r.mutable_raw()->set_pixels("too short");
       },
       grpc::StatusCode::INVALID_ARGUMENT, "48"},
  };
  for (const Case& c : cases) {
    v1::ClassifyRequest request = EncodedRequest(TestImage("chelsea.jpg"));
    c.change(request);
    ExpectError(request, c.code, c.text);
  }
}

TEST_F(BadInputSystemTest, ABadImageInTheMiddleOfAStreamFailsAlone) {
  grpc::ClientContext context;
  auto stream = server->stub->ClassifyStream(&context);
  for (const std::string id : {"good", "bad", "fine"}) {
    v1::ClassifyStreamRequest message;
    *message.mutable_request() = EncodedRequest(
        id == "bad" ? TestImage("chelsea.jpg").substr(0, 999) : TestImage("rgb.png"));
    message.mutable_request()->set_id(id);
    stream->Write(message);
  }
  stream->WritesDone();
  int answers = 0;
  for (v1::ClassifyStreamResponse response; stream->Read(&response); ++answers) {
    EXPECT_EQ(response.has_error(), response.id() == "bad") << response.id();
  }
  EXPECT_EQ(answers, 3);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(BadInputSystemTest, AClientThatDiesInTheMiddleOfItsRequestsIsForgotten) {
  std::vector<std::string> arguments = {CLASSIFY_PROGRAM, "--server=" + server->process.address(),
                                        "--model=vit"};
  for (int i = 0; i < 500; ++i) arguments.push_back(PATCHSERVE_TEST_DATA "/images/chelsea.jpg");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  int output[2];
  ASSERT_EQ(pipe2(output, O_CLOEXEC), 0);
  posix_spawn_file_actions_adddup2(&actions, output[1], 1);
  pid_t client = 0;
  ASSERT_EQ(posix_spawn(&client, argv[0], &actions, nullptr, argv.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  char first = 0;
  ASSERT_EQ(read(output[0], &first, 1), 1);  // it is in the middle of its work
  kill(client, SIGKILL);
  waitpid(client, nullptr, 0);
  close(output[0]);
  close(output[1]);
}

}  // namespace
}  // namespace patchserve
