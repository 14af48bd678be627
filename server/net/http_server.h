// The HTTP port: /metrics.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/net/acceptor.h"
#include "server/net/listening_sockets.h"

namespace patchserve {

// What GET and HEAD of a path answer; `body` is called on several threads.
struct HttpPage {
  std::string content_type;
  std::function<std::string()> body;
};

// Serves pages: a connection is a thread and one request. It has five seconds and 16 KiB to say
// what it wants, and ten seconds to take the answer; bodies aren't read. Of 64 connections those
// that send nothing make room for further ones (connection_table.h). Thread-safe.
class HttpServer {
 public:
  // `pages` by their paths.
  HttpServer(ListeningSockets sockets, std::map<std::string, HttpPage> pages);
  // Ends what is open, and waits for it.
  ~HttpServer();

  int port() const { return port_; }
  ConnectionCounts connections() { return acceptor_->counts(); }

 private:
  class Site;

  void Open(int fd);
  void Serve(int fd);

  const int port_;
  const std::unique_ptr<Site> site_;
  Mutex mutex_;
  std::condition_variable closed_;
  std::set<int> open_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace patchserve
