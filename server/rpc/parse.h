// What a client sent becomes a message, unless it would take far more memory than it took to send.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "grpcpp/support/byte_buffer.h"

namespace patchserve {

// Of an answer to which no message led.
inline absl::Status Unparsable() {
  return absl::InvalidArgumentError("the message can't be parsed as what the method takes");
}

// Nearly the memory that libprotobuf 3.21 takes for a message of that type, from its bytes alone:
// two of them can become a submessage of 200. Negative: it can't be parsed. Takes no memory.
int64_t ParsedSize(grpc::ByteBuffer& bytes, const google::protobuf::Descriptor& type);

// Errors: INVALID_ARGUMENT: Unparsable(); or the message would take more than four
// times its bytes (as much as packed small numbers take) and a MiB.
absl::Status Parse(grpc::ByteBuffer bytes, google::protobuf::Message& message);

}  // namespace patchserve
