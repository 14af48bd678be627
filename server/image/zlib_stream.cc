#include "server/image/zlib_stream.h"

#include <array>

namespace patchserve {
namespace {

using Piece = std::array<uint8_t, 1 << 16>;

void SetInput(z_stream& stream, absl::Span<const uint8_t> bytes) {
  stream.next_in = const_cast<uint8_t*>(bytes.data());  // zlib only reads from it
  stream.avail_in = bytes.size();
}

void SetOutput(z_stream& stream, Piece& piece) {
  stream.next_out = piece.data();
  stream.avail_out = piece.size();
}

}  // namespace

UnpackedStream::UnpackedStream(int64_t most) : most_(most) { inflateInit(&stream_); }

UnpackedStream::~UnpackedStream() { inflateEnd(&stream_); }

void UnpackedStream::Add(absl::Span<const uint8_t> packed, BytesSink sink) {
  SetInput(stream_, packed);
  Piece piece;
  while (state_ == Z_OK && bytes() < most_) {
    SetOutput(stream_, piece);
    state_ = inflate(&stream_, Z_NO_FLUSH);
    sink({piece.data(), piece.size() - stream_.avail_out});
  }
  if (state_ == Z_BUF_ERROR) state_ = Z_OK;  // it wants more
}

StoredStream::StoredStream() { deflateInit(&stream_, Z_NO_COMPRESSION); }

StoredStream::~StoredStream() { deflateEnd(&stream_); }

void StoredStream::Pack(absl::Span<const uint8_t> bytes, int flush, BytesSink sink) {
  SetInput(stream_, bytes);
  Piece piece;
  do {
    SetOutput(stream_, piece);
    deflate(&stream_, flush);
    const absl::Span<const uint8_t> packed(piece.data(), piece.size() - stream_.avail_out);
    if (!packed.empty()) sink(packed);
  } while (stream_.avail_out == 0);
}

}  // namespace patchserve
