#pragma once

namespace patchserve {

// Of a network's weights and steps. kAuto: what is fastest on the device (Engine::Load).
enum class Precision { kAuto, kFloat32, kBFloat16, kFloat16 };

}  // namespace patchserve
