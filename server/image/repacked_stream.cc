#include "server/image/repacked_stream.h"

#include <array>
#include <utility>

namespace patchserve {
namespace {

using Piece = std::array<uint8_t, 1 << 15>;

void SetInput(z_stream& stream, absl::Span<const uint8_t> bytes) {
  stream.next_in = const_cast<uint8_t*>(bytes.data());  // zlib only reads from it
  stream.avail_in = bytes.size();
}

void SetOutput(z_stream& stream, Piece& piece) {
  stream.next_out = piece.data();
  stream.avail_out = piece.size();
}

}  // namespace

RepackedStream::RepackedStream(int64_t most) : most_(most) {
  inflateInit(&in_);
  deflateInit(&out_, Z_BEST_SPEED);
}

RepackedStream::~RepackedStream() {
  inflateEnd(&in_);
  deflateEnd(&out_);
}

void RepackedStream::Add(absl::Span<const uint8_t> packed) {
  SetInput(in_, packed);
  Piece piece;
  while (state_ == Z_OK && unpacked_bytes() < most_) {
    SetOutput(in_, piece);
    state_ = inflate(&in_, Z_NO_FLUSH);
    Pack({piece.data(), piece.size() - in_.avail_out}, Z_NO_FLUSH);
  }
  if (state_ == Z_BUF_ERROR) state_ = Z_OK;  // it wants more
}

std::vector<uint8_t> RepackedStream::Finish() {
  Pack({}, Z_FINISH);
  return std::move(packed_);
}

void RepackedStream::Pack(absl::Span<const uint8_t> bytes, int flush) {
  SetInput(out_, bytes);
  Piece piece;
  do {
    SetOutput(out_, piece);
    deflate(&out_, flush);
    packed_.insert(packed_.end(), piece.begin(), piece.end() - out_.avail_out);
  } while (out_.avail_out == 0);
}

}  // namespace patchserve
