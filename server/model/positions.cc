#include "server/model/positions.h"

#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/upsample_bilinear2d.h>

#include <cmath>

#include "absl/strings/str_cat.h"

namespace patchserve {
namespace {

at::Tensor Interpolate(const at::Tensor& grid, const Grid& to, PositionResize how) {
  switch (how) {
    case PositionResize::kBilinear:
      return at::upsample_bilinear2d(grid, to, /*align_corners=*/false);
    case PositionResize::kBilinearAlignCorners:
      return at::upsample_bilinear2d(grid, to, /*align_corners=*/true);
    case PositionResize::kBicubicAntialias:
      break;
  }
  return at::_upsample_bicubic2d_aa(grid, to, /*align_corners=*/false);
}

}  // namespace

absl::StatusOr<Grid> GridOf(int64_t count, std::array<int, 2> trained_size, int64_t patch) {
  const Grid trained = {trained_size[0] / patch, trained_size[1] / patch};
  if (trained[0] * trained[1] == count) return trained;
  const auto side = static_cast<int64_t>(std::sqrt(static_cast<double>(count)));
  if (side * side == count) return Grid{side, side};
  return absl::InvalidArgumentError(absl::StrCat(
      "tensor pos_embed is for ", count, " patches, which are neither a square nor the ",
      trained[0], "x", trained[1], " of a picture of ", trained_size[0], "x", trained_size[1]));
}

at::Tensor ResizePositions(const at::Tensor& positions, const Grid& from, const Grid& to,
                           PositionResize how) {
  if (from == to) return positions;
  const int64_t dim = positions.size(2);
  const at::Tensor grid =  // [1, P, D] -> [1, D, rows, columns]
      positions.view({1, from[0], from[1], dim}).permute({0, 3, 1, 2});
  return Interpolate(grid, to, how).permute({0, 2, 3, 1}).reshape({1, to[0] * to[1], dim});
}

}  // namespace patchserve
