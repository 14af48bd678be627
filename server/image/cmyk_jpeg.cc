#include "server/image/cmyk_jpeg.h"

#include <csetjmp>
#include <cstdio>
#include <vector>

#include "jpeglib.h"  // after <cstdio>, which it needs

namespace patchserve {
namespace {

// libjpeg reports errors by a function that may not return.
struct Errors {
  jpeg_error_mgr base;  // first: libjpeg only knows this part
  std::jmp_buf leave;
};

void Leave(j_common_ptr info) { std::longjmp(reinterpret_cast<Errors*>(info->err)->leave, 1); }

// The file has ended too early. (libjpeg's own source would go on with grey.)
boolean NoMoreInput(j_decompress_ptr info) {
  Leave(reinterpret_cast<j_common_ptr>(info));
  return FALSE;
}

// round(a * b / 255), as Pillow computes it.
int MultiplyBytes(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// Pillow's cmyk2rgb (src/libImaging/Convert.c), from inverted inks.
void ToRgb(const uint8_t* inks, int width, uint8_t* rgb) {
  for (int x = 0; x < width; ++x, inks += 4, rgb += 3) {
    const int light = inks[3];
    for (int c = 0; c < 3; ++c) {
      rgb[c] = static_cast<uint8_t>(light - MultiplyBytes(255 - inks[c], light));
    }
  }
}

// Nothing here may need a destructor: errors jump out of it.
bool DecodeRows(jpeg_decompress_struct& jpeg, Errors& errors, uint8_t* inks, Image& image) {
  if (setjmp(errors.leave) != 0) return false;
  jpeg_read_header(&jpeg, TRUE);
  if (jpeg.num_components != 4) return false;
  jpeg.out_color_space = JCS_CMYK;
  jpeg_start_decompress(&jpeg);
  if (jpeg.output_width != static_cast<JDIMENSION>(image.width) ||
      jpeg.output_height != static_cast<JDIMENSION>(image.height)) {
    return false;
  }
  uint8_t* rgb = image.pixels.get();
  for (int y = 0; y < image.height; ++y, rgb += size_t{3} * image.width) {
    JSAMPROW row = inks;
    if (jpeg_read_scanlines(&jpeg, &row, 1) != 1) return false;
    ToRgb(inks, image.width, rgb);
  }
  return true;
}

}  // namespace

bool DecodeCmykJpeg(absl::Span<const uint8_t> file, Image& image) {
  Errors errors;
  jpeg_decompress_struct jpeg;
  jpeg.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = Leave;
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, file.data(), file.size());
  jpeg.src->fill_input_buffer = NoMoreInput;
  std::vector<uint8_t> inks(size_t{4} * image.width);
  const bool decoded = DecodeRows(jpeg, errors, inks.data(), image);
  jpeg_destroy_decompress(&jpeg);
  return decoded;
}

}  // namespace patchserve
