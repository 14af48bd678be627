// Files that downloads and other tools leave in place of a checkpoint's.
#pragma once

#include <string>
#include <string_view>

namespace patchserve {

// What a file is by its first bytes, to be put after its name: "is a Git LFS pointer, not the
// weights (git lfs pull)". Empty where nothing is known of it. `wanted` and `format` say what it
// should be: "the weights" and "safetensors".
std::string WhatItIsInstead(std::string_view file, std::string_view wanted,
                            std::string_view format);

}  // namespace patchserve
