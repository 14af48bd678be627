// WebP files that take much memory.
#pragma once

#include <cstdint>
#include <vector>

namespace patchserve {

// A lossless file of a black picture of side x side, a multiple of 4, whose blocks of 4 x 4 have,
// in turns, one of so many groups of codes. libwebp takes 12 kB for each group.
std::vector<uint8_t> WebPOfGroups(int side, int groups);

}  // namespace patchserve
