// Learned position embeddings, for the size of picture that the network is fed.
#pragma once

#include <array>
#include <cstdint>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "server/model/vit_options.h"

namespace patchserve {

using Grid = std::array<int64_t, 2>;  // rows and columns of patches

// The grid that `count` positions are for: that of the picture size the network was
// trained for, or else a square, as timm guesses (get_pretrained_grid_size).
// Errors: INVALID_ARGUMENT: `count` fits neither.
absl::StatusOr<Grid> GridOf(int64_t count, std::array<int, 2> trained_size, int64_t patch);

// [1, P, D] of a grid -> of another one, as timm does when it loads a checkpoint
// (timm/layers/pos_embed.py, resample_abs_pos_embed): by interpolating in float32.
at::Tensor ResizePositions(const at::Tensor& positions, const Grid& from, const Grid& to,
                           PositionResize how);

}  // namespace patchserve
