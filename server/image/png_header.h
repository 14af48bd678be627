// The parts of a PNG file's chunks that matter before it is decoded (W3C PNG,
// third edition).
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "server/image/image.h"

namespace patchserve {

struct PngHeader {
  int64_t width = 0;  // 0 where the file has no IHDR
  int64_t height = 0;
  int orientation = 1;  // of EXIF or XMP
  // IHDR names no layout of pixels that there is, or a chunk other than IDAT is cut off. (IDAT may
  // be: perhaps its pixels are all there.)
  bool damaged = false;
  PngLayout layout;
};

// `file` starts with the PNG signature. Steps over all chunks: metadata may come last.
PngHeader ReadPngHeader(absl::Span<const uint8_t> file);

// A copy of a file that isn't damaged with only the chunks that make its pixels: IHDR, PLTE,
// tRNS, IDAT and IEND. An animation becomes the still picture that every PNG reader
// shows, and compressed texts and profiles, of which a small file can hold
// gigabytes, are never unpacked. A last IDAT that is cut off ends where the file does, a
// missing IEND is added: what follows the pixels may be lost, as for Pillow.
std::vector<uint8_t> OnlyPixels(absl::Span<const uint8_t> file);

// The same as OnlyPixels, with the pixels unpacked, in a zlib stream that stores bytes as they are.
// It ends after a picture of `info`'s size, whether the file's own breaks off there, which a
// decoder would refuse, or goes on, which a decoder would unpack for two seconds a megabyte. As
// large as the pixels, up to 8 bytes each. Empty: the stream is damaged, or lacks pixels.
std::vector<uint8_t> WithUnpackedPixels(absl::Span<const uint8_t> file, const ImageInfo& info);

}  // namespace patchserve
