#include "tests/hub/fake_hub_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "nlohmann/json.hpp"
#include "server/hub/http.h"

namespace patchserve {
namespace {

std::string Fetched(const std::string& url) {
  std::string text;
  const std::atomic<bool> never = false;
  const auto response =
      SendHttp({.url = url}, never, [&](const HttpResponse&, absl::string_view piece) {
        text.append(piece.data(), piece.size());
        return absl::OkStatus();
      });
  EXPECT_TRUE(response.ok() && response->status == 200) << url;
  return text;
}

}  // namespace

FakeHub::FakeHub() {
  int in[2], out[2];
  EXPECT_EQ(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execl("/usr/bin/python3", "python3", FAKE_HUB, folder_.path().c_str(), nullptr);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  to_ = in[1];
  for (char c; read(out[0], &c, 1) == 1 && c != '\n';) url_ += c;
  close(out[0]);
  EXPECT_NE(url_, "") << "the fake hub doesn't start";
}

FakeHub::~FakeHub() {
  close(to_);
  waitpid(pid_, nullptr, 0);
}

void FakeHub::Commit(const std::string& repository, const std::string& commit,
                     const std::map<std::string, std::string>& files) {
  for (const auto& [name, contents] : files) {
    Write(repository, commit + "/" + name, contents);
  }
  Write(repository, "refs/main", commit);
}

void FakeHub::Write(const std::string& repository, const std::string& name,
                    const std::string& contents) {
  folder_.Write(repository + "/" + name, contents);
}

void FakeHub::Fault(const std::string& query) { Fetched(url_ + "/control/fault?" + query); }

std::string FakeHub::Log() { return Fetched(url_ + "/control/log"); }

std::vector<std::string> FakeHub::Requests() {
  std::vector<std::string> requests;
  for (const auto& entry : nlohmann::json::parse(Log())) {
    const std::string path = entry[1];
    requests.push_back(entry[0].get<std::string>() + " " + path.substr(0, path.find('?')));
  }
  return requests;
}

}  // namespace patchserve
