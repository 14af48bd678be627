// What a file is by its first bytes: for messages, where it isn't what is wanted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/types/span.h"

namespace patchserve {

// "JPEG", "PNG", "WebP", "BMP", or the name of another format that clients send; empty where the
// bytes aren't known.
std::string_view FileKind(absl::Span<const uint8_t> file);

// What is wrong with a file that is none of the four that are served, such as "a HEIC file" or
// "base64 text"; empty where nothing is known of it.
std::string WhatInsteadOfAnImage(absl::Span<const uint8_t> file);

}  // namespace patchserve
