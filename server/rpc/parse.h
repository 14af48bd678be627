// What a client sent becomes a message, unless it would take far more memory than it took to send.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "grpcpp/support/byte_buffer.h"

namespace patchserve {

// The error for bytes that are not a valid message.
inline absl::Status Unparsable() {
  return absl::InvalidArgumentError("the message can't be parsed as what the method takes");
}

// No less than the memory that libprotobuf 3.21 takes while it parses a message of that type, from
// its bytes alone: two of them can become a submessage of 200. Above `most`: some number above it,
// found without reading on. Negative: it can't be parsed. Takes no memory.
int64_t ParsedSize(grpc::ByteBuffer& bytes, const google::protobuf::Descriptor& type, int64_t most);

// Errors: INVALID_ARGUMENT: Unparsable(); or the message may take more than twelve times its bytes
// and 16 MiB. Lists of 32-bit numbers, as which some clients send pixels, take no more.
absl::Status Parse(grpc::ByteBuffer bytes, google::protobuf::Message& message);

}  // namespace patchserve
