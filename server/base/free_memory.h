// Memory that was freed, and that the C library keeps for later.
#pragma once

namespace patchserve {

// Gives it back to the system if there is a lot of it. What a flood of calls took stays with the
// process otherwise: the library gives back by itself only what lies at the end of a heap. Takes
// microseconds if there is little, and a tenth of a second a gigabyte. Any thread may call it.
void GiveBackFreeMemory();

}  // namespace patchserve
