// Keeps the image libraries from writing to standard error.
#pragma once

namespace patchserve {

// OpenCV logs a failed decode; libjpeg and libpng print a line for each oddity of a
// file, and OpenCV gives no way to stop them. For a server that is a log which
// anybody can fill. Linking this file silences the two: it defines the functions
// by which OpenCV sets up their error reporting. Calling it silences OpenCV and
// lets it start no threads. Thread-safe; only the first call does anything.
void QuietCodecs();

}  // namespace patchserve
