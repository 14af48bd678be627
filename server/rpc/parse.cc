#include "server/rpc/parse.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/support/proto_buffer_reader.h"

namespace patchserve {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

constexpr int64_t kMostTimes = 12;
constexpr int64_t kAlways = 16 << 20;

// A list of numbers doubles its room, and has the half before it until that is copied.
constexpr int64_t kGrowing = 3;
// Bytes of memory: of a submessage or an entry of a map, the largest that the protocols have; and
// of a string, or a field that the type doesn't know, beside its content.
constexpr int64_t kMessage = 320;
constexpr int64_t kElement = 72;
constexpr int kDeepest = 101;  // with the outermost; as protobuf's own parser

// Adds up what the fields of a message take, field by field.
class Walk {
 public:
  Walk(google::protobuf::io::ZeroCopyInputStream* from, int64_t most) : in_(from), most_(most) {}

  // Whether all could be read. Stops, with false, above `most`.
  bool Whole(const Descriptor& type) {
    return Message(&type, /*end=*/0) && in_.ConsumedEntireMessage();
  }
  int64_t bytes() const { return bytes_; }

 private:
  // type: null where it isn't known. end: the tag that ends it; 0: the end of what can be read.
  bool Message(const Descriptor* type, uint32_t end) {
    if (depth_ == kDeepest) return false;
    ++depth_;
    uint32_t tag = in_.ReadTag();
    while (tag != end) {
      if (tag == 0 || !Field(type, tag) || bytes_ > most_) return false;
      tag = in_.ReadTag();
    }
    --depth_;
    return true;
  }

  bool Field(const Descriptor* type, uint32_t tag) {
    const int number = WireFormatLite::GetTagFieldNumber(tag);
    const FieldDescriptor* field = type == nullptr ? nullptr : type->FindFieldByNumber(number);
    const int64_t value = field == nullptr ? kElement : kGrowing * sizeof(uint64_t);
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_VARINT: {
        uint64_t ignored;
        bytes_ += value;
        return in_.ReadVarint64(&ignored);
      }
      case WireFormatLite::WIRETYPE_FIXED64:
        bytes_ += value;
        return in_.Skip(sizeof(uint64_t));
      case WireFormatLite::WIRETYPE_FIXED32:
        bytes_ += value;
        return in_.Skip(sizeof(uint32_t));
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        return Content(field);
      case WireFormatLite::WIRETYPE_START_GROUP:  // no type of ours has one
        bytes_ += kMessage;
        return Message(nullptr,
                       WireFormatLite::MakeTag(number, WireFormatLite::WIRETYPE_END_GROUP));
      default:
        return false;
    }
  }

  bool Content(const FieldDescriptor* field) {
    int length;
    if (!in_.ReadVarintSizeAsInt(&length)) return false;
    if (field != nullptr && field->message_type() != nullptr) {
      bytes_ += kMessage;
      const auto outer = in_.PushLimit(length);
      if (!Message(field->message_type(), /*end=*/0) || !in_.ConsumedEntireMessage()) return false;
      in_.PopLimit(outer);
      return true;
    }
    if (field != nullptr && field->is_packable()) return Packed(*field, length);
    bytes_ += kElement + length;
    return in_.Skip(length);
  }

  bool Packed(const FieldDescriptor& field, int length) {
    const auto type = static_cast<WireFormatLite::FieldType>(field.type());
    if (WireFormatLite::WireTypeForFieldType(type) != WireFormatLite::WIRETYPE_VARINT) {
      bytes_ += kGrowing * length;
      return in_.Skip(length);
    }
    const int64_t each = kGrowing * SizeOf(field.cpp_type());
    while (length > 0) {
      const void* part;
      int size;
      if (!in_.GetDirectBufferPointer(&part, &size)) return false;
      size = std::min(size, length);
      const auto* first = static_cast<const uint8_t*>(part);
      // The last byte of each number.
      bytes_ += each * std::count_if(first, first + size, [](uint8_t byte) { return byte < 0x80; });
      length -= size;
      if (!in_.Skip(size)) return false;
    }
    return true;
  }

  static int64_t SizeOf(FieldDescriptor::CppType type) {
    switch (type) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return sizeof(bool);
      case FieldDescriptor::CPPTYPE_INT64:
      case FieldDescriptor::CPPTYPE_UINT64:
        return sizeof(int64_t);
      default:
        return sizeof(int32_t);
    }
  }

  google::protobuf::io::CodedInputStream in_;
  const int64_t most_;
  int64_t bytes_ = 0;
  int depth_ = 0;
};

}  // namespace

int64_t ParsedSize(grpc::ByteBuffer& bytes, const Descriptor& type, int64_t most) {
  grpc::ProtoBufferReader reader(&bytes);
  if (!reader.status().ok()) return -1;
  Walk walk(&reader, most);
  return walk.Whole(type) || walk.bytes() > most ? walk.bytes() : -1;
}

absl::Status Parse(grpc::ByteBuffer bytes, google::protobuf::Message& message) {
  const auto sent = static_cast<int64_t>(bytes.Length());
  const int64_t most = kMostTimes * sent + kAlways;
  const int64_t size = ParsedSize(bytes, *message.GetDescriptor(), most);
  if (size > most) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the message of ", sent, " bytes has so many fields that it would take more than ", most,
        " of memory"));
  }
  grpc::ProtoBufferReader reader(&bytes);
  return size >= 0 && message.ParseFromZeroCopyStream(&reader) ? absl::OkStatus() : Unparsable();
}

}  // namespace patchserve
