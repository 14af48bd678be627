#include "server/image/png_header.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "server/image/bytes.h"
#include "server/image/orientation.h"
#include "server/image/png_text.h"
#include "server/image/zlib_stream.h"
#include "zlib.h"

namespace patchserve {
namespace {

constexpr size_t kSignature = 8;
constexpr size_t kAroundData = 12;  // length, name, CRC

// As Pillow takes it: letters, digits and underscores.
bool IsName(std::string_view name) {
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

// Steps over a file's chunks as Pillow does.
class Chunks {
 public:
  explicit Chunks(absl::Span<const uint8_t> file) : bytes_(file) {}

  // To the next chunk. False at IEND, at an animation's second frame, and where no chunk
  // begins: there the file ends for Pillow too, whatever follows.
  bool Next() {
    at_ = next_;
    name_ = AsText(bytes_.Part(at_ + 4, 4));
    if (!bytes_.Has(at_, 8) || !IsName(name_) || name_ == "IEND") return false;
    if (name_ == "fcTL" && animated_ && pixels_) return false;
    animated_ |= name_ == "acTL";
    pixels_ |= name_ == "IDAT";
    data_ = bytes_.Part(at_ + 8, size());
    next_ = at_ + kAroundData + size();
    return true;
  }

  std::string_view name() const { return name_; }
  // What the file has of the data.
  absl::Span<const uint8_t> data() const { return data_; }
  bool HasAllData() const { return data_.size() == size(); }
  bool HasCrc() const { return bytes_.Has(at_, kAroundData + size()); }
  // Needs HasCrc, as the next.
  bool HasRightCrc() const {
    const size_t checked = 4 + size();  // name and data
    return crc32(0, bytes_.Part(at_ + 4, checked).data(), checked) ==
           bytes_.BigEndian32(at_ + 4 + checked);
  }
  // Of the chunk with its length, name and CRC.
  absl::Span<const uint8_t> whole() const { return bytes_.Part(at_, kAroundData + size()); }
  // After Next() was false.
  bool AtWholeEnd() const { return name_ == "IEND" && size() == 0 && HasCrc(); }

  bool MakesPixels() const {
    return name_ == "IHDR" || name_ == "PLTE" || name_ == "tRNS" || name_ == "IDAT";
  }

 private:
  size_t size() const { return bytes_.BigEndian32(at_); }

  Bytes bytes_;
  size_t next_ = kSignature;
  size_t at_ = 0;
  std::string_view name_;
  absl::Span<const uint8_t> data_;
  bool animated_ = false;
  bool pixels_ = false;
};

// Whether IHDR says how pixels are stored in a way that the standard has (11.2.1, table 11.1).
bool HasKnownLayout(const Bytes& ihdr) {
  constexpr uint32_t kTo8 = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 8, k8And16 = 1 << 8 | 1 << 16;
  constexpr std::array<uint32_t, 7> kDepths = {kTo8 | 1 << 16, 0, k8And16, kTo8,
                                               k8And16,        0, k8And16};
  const uint8_t depth = ihdr.U8(8), type = ihdr.U8(9);
  const uint8_t compression = ihdr.U8(10), filters = ihdr.U8(11), interlacing = ihdr.U8(12);
  return type < kDepths.size() && depth <= 16 && (kDepths[type] >> depth & 1) == 1 &&
         compression == 0 && filters == 0 && interlacing <= 1;
}

// Of one pixel; 0 for a colour type that doesn't exist.
int64_t PixelBits(const PngLayout& layout) {
  constexpr std::array<int, 7> kSamples = {1, 0, 3, 1, 2, 0, 4};
  const size_t type = layout.color_type;
  return type < kSamples.size() ? int64_t{kSamples[type]} * layout.bit_depth : 0;
}

void AppendBigEndian32(std::vector<uint8_t>& bytes, uint32_t value) {
  for (int shift : {24, 16, 8, 0}) bytes.push_back(value >> shift);
}

void AppendChunk(std::vector<uint8_t>& file, std::string_view name,
                 absl::Span<const uint8_t> data) {
  AppendBigEndian32(file, data.size());
  const size_t checked = file.size();
  file.insert(file.end(), name.begin(), name.end());
  file.insert(file.end(), data.begin(), data.end());
  AppendBigEndian32(file, crc32(0, &file[checked], file.size() - checked));
}

// At least as much as the pixels of the picture take before they are packed, with the filter's byte
// and a rounded one for each row; interlaced pictures have less than twice as many rows.
int64_t MostRawBytes(const ImageInfo& info) {
  const int64_t row = PixelBits(info.png) * info.width / 8;
  return (row + 6) * info.height + 64;
}

// At least as long as what WithUnpackedPixels makes: a vector that grows holds the pixels twice
// while it moves them. Pages that nothing is written to take no memory.
size_t MostUnpackedFile(absl::Span<const uint8_t> file, const ImageInfo& info) {
  const size_t raw = MostRawBytes(info);
  return raw + raw / 1000 + file.size() + (1 << 17);  // with the headers of chunks and blocks
}

// What a file's chunks say of the orientation; of several chunks of a kind the last counts.
class Metadata {
 public:
  void Add(std::string_view name, absl::Span<const uint8_t> data) {
    if (name == "eXIf") exif_ = data;
    const auto text = ReadPngText(name, data);
    if (!text) return;
    if (text->keyword == "exif" && name == "tEXt") exif_ = data.last(text->text.size());
    if (text->keyword == "Raw profile type exif") profile_ = *text;
    if (text->keyword == "XML:com.adobe.xmp") xmp_ = *text;
  }

  int Orientation() const {
    std::string unpacked_profile, unpacked_xmp;
    std::vector<uint8_t> profile;
    if (!exif_) profile = RawProfile(Unpack(profile_, unpacked_profile));
    return patchserve::Orientation(exif_.value_or(profile), Unpack(xmp_, unpacked_xmp));
  }

 private:
  std::optional<absl::Span<const uint8_t>> exif_;
  PngText profile_;
  PngText xmp_;
};

}  // namespace

PngHeader ReadPngHeader(absl::Span<const uint8_t> file) {
  PngHeader header;
  Chunks chunks(file);
  if (!chunks.Next() || chunks.name() != "IHDR") return header;
  const Bytes ihdr(chunks.data());
  header.width = ihdr.BigEndian32(0);
  header.height = ihdr.BigEndian32(4);
  header.layout.bit_depth = ihdr.U8(8);
  header.layout.color_type = ihdr.U8(9);
  header.layout.only_pixels = true;
  header.damaged = !HasKnownLayout(ihdr);

  Metadata metadata;
  while (chunks.Next()) {
    if (!chunks.MakesPixels() || !chunks.HasCrc()) header.layout.only_pixels = false;
    if (chunks.name() != "IDAT" && !chunks.HasAllData()) header.damaged = true;
    metadata.Add(chunks.name(), chunks.data());
  }
  header.layout.only_pixels &= chunks.AtWholeEnd();
  header.orientation = metadata.Orientation();
  return header;
}

std::vector<uint8_t> OnlyPixels(absl::Span<const uint8_t> file) {
  std::vector<uint8_t> result;
  result.reserve(file.size() + kAroundData);
  result.assign(file.begin(), file.begin() + kSignature);
  for (Chunks chunks(file); chunks.Next();) {
    if (!chunks.MakesPixels()) continue;
    if (chunks.HasCrc()) {
      result.insert(result.end(), chunks.whole().begin(), chunks.whole().end());
    } else {
      AppendChunk(result, chunks.name(), chunks.data());
    }
  }
  AppendChunk(result, "IEND", {});
  return result;
}

std::vector<uint8_t> WithUnpackedPixels(absl::Span<const uint8_t> file, const ImageInfo& info) {
  UnpackedStream pixels(MostRawBytes(info));
  StoredStream stored;
  bool right_crcs = true;
  std::vector<uint8_t> result;
  result.reserve(MostUnpackedFile(file, info));
  result.assign(file.begin(), file.begin() + kSignature);
  auto append = [&](absl::Span<const uint8_t> piece) { AppendChunk(result, "IDAT", piece); };
  for (Chunks chunks(file); chunks.Next();) {
    if (chunks.name() == "IDAT") {
      right_crcs &= chunks.HasCrc() && chunks.HasRightCrc();
      pixels.Add(chunks.data(),
                 [&](absl::Span<const uint8_t> bytes) { stored.Add(bytes, append); });
    } else if (chunks.MakesPixels() && chunks.HasCrc()) {
      result.insert(result.end(), chunks.whole().begin(), chunks.whole().end());
    }
  }
  const int64_t least = PixelBits(info.png) * info.width * info.height / 8;
  // Where the end was lost, what stands in place of the checksum says nothing.
  const bool undamaged = pixels.goes_on() || (pixels.ended() && right_crcs);
  if (!undamaged || pixels.bytes() < least) return {};
  stored.Finish(append);
  AppendChunk(result, "IEND", {});
  return result;
}

}  // namespace patchserve
