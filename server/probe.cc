#include "server/probe.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>

#include "server/net/file_descriptor.h"

namespace patchserve {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTimeout(2);
constexpr char kNoAnswer[] = "no answer within 2 s";
constexpr char kEnded[] = "it doesn't speak gRPC in plaintext";

// Frames of HTTP/2 (RFC 9113, section 6), and their flags.
constexpr uint8_t kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kGoAway = 7;
constexpr uint8_t kEndStream = 1, kEndHeaders = 4;

std::string Frame(uint8_t type, uint8_t flags, uint8_t stream, const std::string& payload) {
  std::string frame(9, '\0');
  frame[1] = static_cast<char>(payload.size() >> 8);
  frame[2] = static_cast<char>(payload.size());
  frame[3] = static_cast<char>(type);
  frame[4] = static_cast<char>(flags);
  frame[8] = static_cast<char>(stream);
  return frame + payload;
}

// With its length, which is below 127, before it: of HPACK (RFC 7541, 5.2), and of protobuf.
std::string Short(const std::string& text) { return static_cast<char>(text.size()) + text; }

// A call of Check, with all that comes before it on a connection.
std::string Call(const std::string& authority, const std::string& service) {
  // RFC 7541, 6.2.2: literals that no table keeps, by the number of their name in its appendix A.
  const std::string headers =
      "\x83\x86" +  // :method POST, :scheme http
      ('\x04' + Short("/grpc.health.v1.Health/Check")) + ('\x01' + Short(authority)) +
      ("\x0f\x10" + Short("application/grpc")) + ('\0' + Short("te") + Short("trailers"));
  const std::string request = service.empty() ? "" : '\x0a' + Short(service);  // field 1
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, 0, "") +
         Frame(kHeaders, kEndHeaders, 1, headers) +
         Frame(kData, kEndStream, 1, std::string(4, '\0') + Short(request));
}

class Connection {
 public:
  // Empty, or what went wrong.
  std::string Open(const std::string& host, const std::string& port) {
    const addrinfo wanted{.ai_socktype = SOCK_STREAM};
    addrinfo* found = nullptr;
    if (const int error = getaddrinfo(host.c_str(), port.c_str(), &wanted, &found)) {
      return gai_strerror(error);
    }
    int error = 0;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
      error = Connect(*each);
      if (error == 0) break;
    }
    freeaddrinfo(found);
    return error == 0 ? "" : std::strerror(error);
  }

  bool Send(const std::string& bytes) const {
    return send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }

  // False: not so many came.
  bool Receive(size_t size, std::string& bytes) const {
    bytes.resize(size);
    for (size_t have = 0; have < size;) {
      if (!Wait(POLLIN)) return false;
      const ssize_t got = recv(socket_.get(), &bytes[have], size - have, 0);
      if (got <= 0) return false;
      have += got;
    }
    return true;
  }

  bool late() const { return Clock::now() >= end_; }

 private:
  int Connect(const addrinfo& address) {
    socket_ = FileDescriptor(socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0));
    if (socket_.get() < 0) return errno;
    if (connect(socket_.get(), address.ai_addr, address.ai_addrlen) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    if (!Wait(POLLOUT)) return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
  }

  bool Wait(short event) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now()).count();
    pollfd watched{.fd = socket_.get(), .events = event};
    return left > 0 && poll(&watched, 1, static_cast<int>(left)) == 1;
  }

  const Clock::time_point end_ = Clock::now() + kTimeout;
  FileDescriptor socket_;
};

// Of a gRPC message, its five bytes of prefix included, that is a HealthCheckResponse.
std::string Meaning(const std::string& message) {
  constexpr const char* kStates[] = {"UNKNOWN", "", "NOT_SERVING", "SERVICE_UNKNOWN"};
  if (message.empty()) return "the server knows nothing of that name";
  // A state of 0 isn't sent.
  const bool has_state = message.size() == 7 && message[5] == '\x08';
  const auto state = static_cast<uint8_t>(has_state ? message[6] : 0);
  return state < 4 ? kStates[state] : "an answer that isn't health's";
}

}  // namespace

std::string Probe(const std::string& address, const std::string& service) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return "not HOST:PORT";
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  if (address.size() > 100 || service.size() > 100) return "a name of more than 100 characters";
  Connection server;
  if (std::string error = server.Open(host, address.substr(colon + 1)); !error.empty()) {
    return error;
  }
  if (!server.Send(Call(address, service))) return kEnded;
  std::string frame, payload, message;
  while (true) {
    if (!server.Receive(9, frame)) break;
    const auto byte = [&frame](int i) { return static_cast<uint8_t>(frame[i]); };
    const uint8_t type = byte(3);
    // Frames are at most 16 kB long unless their receiver said more.
    if (byte(0) != 0 || byte(1) > 0x40 || !server.Receive(byte(1) << 8 | byte(2), payload)) break;
    if (type == kData) message += payload;
    if (type == kHeaders && (byte(4) & kEndStream) != 0) return Meaning(message);
    if (type == kReset || type == kGoAway) return "the server ended the call";
  }
  return server.late() ? kNoAnswer : kEnded;
}

}  // namespace patchserve
