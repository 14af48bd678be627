#include "tests/system/http_get.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

namespace patchserve {

std::string HttpGet(const std::string& address, const std::string& path) {
  const size_t colon = address.find(':');
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(std::atoi(address.c_str() + colon + 1))};
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  std::string reply;
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) {
    const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
    if (write(fd, request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
      char buffer[4096];
      for (ssize_t size; (size = read(fd, buffer, sizeof buffer)) > 0;) reply.append(buffer, size);
    }
  }
  close(fd);
  const size_t body = reply.find("\r\n\r\n");
  return body == std::string::npos ? "" : reply.substr(body + 4);
}

}  // namespace patchserve
