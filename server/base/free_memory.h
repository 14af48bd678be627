// Memory that was freed, and that the C library keeps for later.
#pragma once

#include <cstdint>

namespace patchserve {

// Says how much it keeps, of a process that may have so many bytes. To be called before there are
// eight threads: glibc settles then how many arenas it may have. A network's tensors of some
// megabytes are freed and made again layer by layer: glibc's own settings give them back to the
// system each time, and clear them at the next.
void SetUpMalloc(int64_t memory_limit);

// Gives it back to the system if there is a lot of it. What a flood of calls took stays with the
// process otherwise: the library gives back by itself only what lies at the end of a heap. Takes
// microseconds if there is little, and a tenth of a second a gigabyte. Any thread may call it.
void GiveBackFreeMemory();

}  // namespace patchserve
