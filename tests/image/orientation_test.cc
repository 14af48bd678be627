#include "server/image/orientation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "server/image/header.h"
#include "tests/image/file_parts.h"

namespace patchserve {
namespace {

using namespace std::string_view_literals;

constexpr uint8_t kApp1 = 0xe1;
const File kExif = Text("Exif\0\0"sv);
const File kNoEntries = Text("II*\0\10\0\0\0\0\0\0\0\0\0"sv);

// XMP, in the two ways that its tools write it.
std::string Attribute(int value) {
  return "<rdf:Description tiff:Orientation=\"" + std::to_string(value) + "\"/>";
}
std::string Element(int value) {
  return "<tiff:Orientation>" + std::to_string(value) + "</tiff:Orientation>";
}

int Of(const File& file) { return ReadHeader(file, {}).value().orientation; }

TEST(OrientationTest, XmpIsReadAsAnAttributeAndAsAnElement) {
  EXPECT_EQ(Orientation({}, Attribute(6)), 6);
  EXPECT_EQ(Orientation({}, Element(8)), 8);
  EXPECT_EQ(Orientation({}, "tiff:Orientation tiff:Orientation=x" + Attribute(3) + Element(6)), 3);
}

TEST(OrientationTest, AnythingElseInXmpIsUpright) {
  for (const std::string& xmp :
       {std::string(), Attribute(0), Attribute(9), Attribute(-3), std::string("tiff:Orientation"),
        std::string("tiff:Orientation=\""), std::string("tiff:Orientation='6'"),
        std::string("exif:Orientation=\"6\"")}) {
    EXPECT_EQ(Orientation({}, xmp), 1) << xmp;
  }
}

TEST(OrientationTest, ExifComesBeforeXmp) {
  EXPECT_EQ(Orientation(ExifBlock(3), Attribute(6)), 3);
  EXPECT_EQ(Orientation(ExifBlock(1), Attribute(6)), 1);
  EXPECT_EQ(Orientation(ExifBlock(9), Attribute(6)), 1);
  EXPECT_EQ(Orientation(kNoEntries, Attribute(6)), 6);
  EXPECT_EQ(Orientation(kExif, Attribute(6)), 6);
}

File Jpeg(const File& segments) { return JpegWith(ReadTestImage("420.jpg"), segments); }
File ExifSegment(const File& block) { return JpegSegment(kApp1, Joined({kExif, block})); }
File XmpSegment(const std::string& xmp) {
  return JpegSegment(kApp1, Joined({Text("http://ns.adobe.com/xap/1.0/\0"sv), Text(xmp)}));
}

TEST(OrientationTest, AJpegsExifMayBeDoubledAndSpreadOverSegments) {
  EXPECT_EQ(Of(Jpeg(ExifSegment(ExifBlock(6)))), 6);
  EXPECT_EQ(Of(Jpeg(ExifSegment(Joined({kExif, ExifBlock(6)})))), 6);
  EXPECT_EQ(Of(Jpeg(Joined({ExifSegment({}), ExifSegment(ExifBlock(6))}))), 6);
  const File block = ExifBlock(6);
  for (size_t i = 0; i <= block.size(); ++i) {
    const File first(block.begin(), block.begin() + i), second(block.begin() + i, block.end());
    EXPECT_EQ(
        Of(Jpeg(Joined({ExifSegment(first), JpegSegment(0xe2, {1, 2}), ExifSegment(second)}))), 6);
  }
}

TEST(OrientationTest, AJpegsExifNeedsItsPrefix) {
  EXPECT_EQ(Of(Jpeg(JpegSegment(kApp1, ExifBlock(6)))), 1);
  EXPECT_EQ(Of(Jpeg(JpegSegment(0xe2, Joined({kExif, ExifBlock(6)})))), 1);
}

TEST(OrientationTest, AJpegsXmpIsReadWhereExifSaysNothing) {
  EXPECT_EQ(Of(Jpeg(XmpSegment(Attribute(6)))), 6);
  EXPECT_EQ(Of(Jpeg(Joined({XmpSegment(Attribute(3)), XmpSegment(Element(6))}))), 6);  // the last
  EXPECT_EQ(Of(Jpeg(Joined({XmpSegment(Attribute(6)), ExifSegment(ExifBlock(3))}))), 3);
}

TEST(OrientationTest, APngsExifStandsInAChunkOrATextOfItsOwn) {
  EXPECT_EQ(Of(PngWith(PngChunk("eXIf", ExifBlock(6)))), 6);
  EXPECT_EQ(Of(PngWith(PngChunk("eXIf", Joined({kExif, ExifBlock(6)})))), 6);
  EXPECT_EQ(Of(PngWith(PngChunk("tEXt", Joined({Text("exif\0"sv), ExifBlock(6)})))), 6);
}

// "Raw profile type exif" of `block` as ImageMagick writes it.
File Profile(const File& block) {
  std::string text = "\nexif\n      26\n";
  for (uint8_t byte : block) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += {kDigits[byte >> 4], kDigits[byte & 15]};
    if (text.size() % 20 == 0) text += "\n";
  }
  return Text(text);
}

TEST(OrientationTest, APngsRawProfileIsReadFromEveryKindOfText) {
  const File key = Text("Raw profile type exif\0"sv), profile = Profile(ExifBlock(6));
  const File zero = {0}, one = {1};
  EXPECT_EQ(Of(PngWith(PngChunk("tEXt", Joined({key, profile})))), 6);
  EXPECT_EQ(Of(PngWith(PngChunk("zTXt", Joined({key, zero, Deflated(profile)})))), 6);
  EXPECT_EQ(Of(PngWith(PngChunk("iTXt", Joined({key, File(4), profile})))), 6);
  EXPECT_EQ(Of(PngWith(PngChunk("iTXt", Joined({key, one, File(3), Deflated(profile)})))), 6);
  EXPECT_EQ(Of(PngWith(PngChunk("tEXt", Joined({key, Profile(Joined({kExif, ExifBlock(6)}))})))),
            6);
  // eXIf wins.
  EXPECT_EQ(Of(PngWith(Joined(
                {PngChunk("eXIf", ExifBlock(3)), PngChunk("tEXt", Joined({key, profile}))}))),
            3);
}

TEST(OrientationTest, APngsXmpIsReadFromText) {
  const File key = Text("XML:com.adobe.xmp\0"sv);
  EXPECT_EQ(Of(PngWith(PngChunk("iTXt", Joined({key, File(4), Text(Attribute(6))})))), 6);
  EXPECT_EQ(Of(PngWith(PngChunk("zTXt", Joined({key, File(1), Deflated(Text(Element(6)))})))), 6);
}

TEST(OrientationTest, AWebPsMetadataCountsWhereItsFlagsAnnounceIt) {
  constexpr uint8_t kHasExif = 8, kHasXmp = 4;
  const File exif = WebPChunk("EXIF", ExifBlock(6)), xmp = WebPChunk("XMP ", Text(Element(8)));
  EXPECT_EQ(Of(WebPWith(kHasExif, exif)), 6);
  EXPECT_EQ(Of(WebPWith(kHasExif, WebPChunk("EXIF", Joined({kExif, ExifBlock(6)})))), 6);
  EXPECT_EQ(Of(WebPWith(kHasXmp, xmp)), 8);
  EXPECT_EQ(Of(WebPWith(kHasExif | kHasXmp, Joined({xmp, exif}))), 6);
  EXPECT_EQ(Of(WebPWith(kHasXmp, Joined({exif, xmp}))), 8);
  EXPECT_EQ(Of(WebPWith(0, Joined({exif, xmp}))), 1);
  EXPECT_EQ(Of(Joined({WebPWith(kHasExif, {}), exif})), 1);  // behind the container
}

}  // namespace
}  // namespace patchserve
