// The devices that are simulated: what a batch of n images takes, and on how many runners.
#pragma once

#include <string>
#include <vector>

#include "bench/simulate/simulation.h"

namespace patchserve::simulate {

struct Curve {
  std::string name;
  // Curves of one group are counted together in the summary.
  std::string group;
  Device device;
};

// Group "cpu and gpu":
//   cpu-vit, cpu-convmixer: vit_tiny_patch16_224 and the bundled ConvMixer in float32 on two
//     cores of an AMD EPYC (Zen 3), a runner each, 2026-11-24.
//   gpu, gpu-2-runners: GPU-like, 10 ms up to 16 images and then linear; two runners are two
//     devices.
// Group "fixed cost":
//   fixed-cost: 8 ms a batch and 2 ms an image.
// Group "H100": two runners that share the device, 11 warmed sizes up to 128.
//   h100-vit_tiny, h100-vit_base, h100-convmixer: as the server ran them, eagerly.
//   h100-*-graph: the same networks as fused kernels in a CUDA graph.
const std::vector<Curve>& Curves();

}  // namespace patchserve::simulate
