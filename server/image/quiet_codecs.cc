#include "server/image/quiet_codecs.h"

#include <cstdio>
#include <cstdlib>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>

#include "jpeglib.h"  // after <cstdio>, which it needs
#include "png.h"

// Symbols of the program come before those of its libraries, so OpenCV's calls
// arrive here.
extern "C" {

static void FailJpeg(j_common_ptr) { std::abort(); }  // each caller puts its own here
static void CountJpegWarning(j_common_ptr info, int level) {
  if (level < 0) ++info->err->num_warnings;
}
static void OutputNothing(j_common_ptr) {}
static void FormatNothing(j_common_ptr, char* buffer) { buffer[0] = '\0'; }
static void ResetJpegErrors(j_common_ptr info) { info->err->num_warnings = 0; }

jpeg_error_mgr* jpeg_std_error(jpeg_error_mgr* errors) {
  *errors = {};
  errors->error_exit = FailJpeg;
  errors->emit_message = CountJpegWarning;
  errors->output_message = OutputNothing;
  errors->format_message = FormatNothing;
  errors->reset_error_mgr = ResetJpegErrors;
  return errors;
}

static void FailPng(png_structp png, png_const_charp) { png_longjmp(png, 1); }
static void IgnorePngWarning(png_structp, png_const_charp) {}

png_structp png_create_read_struct(png_const_charp version, png_voidp context, png_error_ptr error,
                                   png_error_ptr warning) {
  return png_create_read_struct_2(version, context, error != nullptr ? error : FailPng,
                                  warning != nullptr ? warning : IgnorePngWarning, nullptr, nullptr,
                                  nullptr);
}

}  // extern "C"

namespace patchserve {

void QuietCodecs() {
  static const bool done = [] {
    cv::setNumThreads(0);
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace patchserve
