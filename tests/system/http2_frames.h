// HTTP/2 as a client that isn't gRPC's sends it.
#pragma once

#include <cstdint>
#include <string>

namespace patchserve {

inline std::string Frame(char kind, char flags, uint32_t stream, const std::string& payload) {
  std::string frame = {0, static_cast<char>(payload.size() >> 8), static_cast<char>(payload.size()),
                       kind, flags};
  for (const int shift : {24, 16, 8, 0}) frame.push_back(static_cast<char>(stream >> shift));
  return frame + payload;
}

// A header for no table of HPACK's.
inline std::string Header(const std::string& name, const std::string& value) {
  return std::string(1, 0) + static_cast<char>(name.size()) + name +
         static_cast<char>(value.size()) + value;
}

// The headers of a call of "/package.Service/Method".
inline std::string CallHeaders(const std::string& method) {
  return Header(":method", "POST") + Header(":scheme", "http") + Header("te", "trailers") +
         Header(":path", method) + Header(":authority", "x") +
         Header("content-type", "application/grpc");
}

}  // namespace patchserve
