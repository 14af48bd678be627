#include "server/net/http_server.h"

#include <httplib.h>

#include <system_error>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "server/net/http_stream.h"

namespace patchserve {
namespace {

constexpr PortLimits kConnections = {.total = 64, .per_peer = 64};

}  // namespace

// Debian's cpp-httplib is 0.11.4. What later versions bound, is bounded or left out here: the
// request's head and its time (HttpStream), bodies, ranges, compression.
class HttpServer::Site : public httplib::Server {
 public:
  explicit Site(std::map<std::string, HttpPage> pages) {
    set_pre_routing_handler(
        [pages = std::move(pages)](const httplib::Request& request, httplib::Response& response) {
          const auto page = pages.find(request.path);
          if (request.method != "GET" && request.method != "HEAD") {
            response.status = 405;
            response.set_header("Allow", "GET, HEAD");
          } else if (page == pages.end()) {
            response.status = 404;
          } else {
            response.status = 200;
            response.set_content(page->second.body(), page->second.content_type);
          }
          return HandlerResponse::Handled;
        });
  }

  void Answer(httplib::Stream& stream) {
    bool closed = false;
    process_request(stream, /*close_connection=*/true, closed, [](httplib::Request& request) {
      request.ranges.clear();
      request.headers.erase("Accept-Encoding");
      request.headers.erase("Expect");
    });
  }
};

HttpServer::HttpServer(ListeningSockets sockets, std::map<std::string, HttpPage> pages)
    : port_(sockets.port),
      site_(std::make_unique<Site>(std::move(pages))),
      acceptor_(
          std::make_unique<Acceptor>(std::move(sockets), kConnections,
                                     [this](int fd, const std::string& /*peer*/) { Open(fd); })) {}

HttpServer::~HttpServer() {
  acceptor_->Stop();
  Lock lock(mutex_);
  for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  while (!open_.empty()) closed_.wait(lock);
}

void HttpServer::Open(int fd) {
  {
    Lock lock(mutex_);
    open_.insert(fd);
  }
  try {
    std::thread([this, fd] { Serve(fd); }).detach();
  } catch (const std::system_error&) {  // no more threads may be had
    Lock lock(mutex_);
    open_.erase(fd);
    close(fd);
  }
}

void HttpServer::Serve(int fd) {
  HttpStream stream(fd);
  site_->Answer(stream);
  Lock lock(mutex_);  // the number is another's as soon as it is closed
  open_.erase(fd);
  close(fd);
  closed_.notify_all();
}

}  // namespace patchserve
