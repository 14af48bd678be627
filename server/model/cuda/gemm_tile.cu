// The GEMMs of one tile shape: compiled once for each, with its number in GEMM_TILE.
//
// Of CUTLASS 4.2: tiles of A and B come by TMA into a ring of buffers in shared memory, filled by
// one warp group and multiplied by the others (WGMMA); a block works on tile after tile.
#include "cutlass/epilogue/collective/collective_builder.hpp"
#include "cutlass/gemm/collective/collective_builder.hpp"
#include "cutlass/gemm/device/gemm_universal_adapter.h"
#include "cutlass/gemm/kernel/gemm_universal.hpp"
#include "server/model/activation.h"
#include "server/model/cuda/gemm_epilogue.h"
#include "server/model/cuda/gemm_tile.h"

namespace patchserve::cuda {
namespace {

using cute::Int;
using cute::Shape;

// Two warp groups that multiply take turns at tiles, so that one's epilogue overlaps the other's
// products; or share each tile; or there is only one, and a block ends with its tile.
struct InTurns {
  using Products = cutlass::gemm::KernelTmaWarpSpecializedPingpong;
  using Epilogue = cutlass::epilogue::TmaWarpSpecialized;
};
struct Together {
  using Products = cutlass::gemm::KernelTmaWarpSpecializedCooperative;
  using Epilogue = cutlass::epilogue::TmaWarpSpecializedCooperative;
};
struct OneTile {
  using Products = cutlass::gemm::KernelTmaWarpSpecialized;
  using Epilogue = cutlass::epilogue::TmaWarpSpecialized;
};

// rows, columns: of d; depth: so much of k a step; blocks: so many, below each other, share their
// tiles of b.
template <int rows, int columns, int depth, int blocks, typename Work>
struct TileShape {
  using Tile = Shape<Int<rows>, Int<columns>, Int<depth>>;
  using Cluster = Shape<Int<blocks>, Int<1>, Int<1>>;
  using Schedule = Work;
};

// The first two are for many rows, the last two for few. docs/gpu.md says why these.
template <int tile>
struct TileOf;
template <>
struct TileOf<0> : TileShape<128, 192, 64, 2, InTurns> {};
template <>
struct TileOf<1> : TileShape<256, 128, 64, 2, Together> {};
template <>
struct TileOf<2> : TileShape<128, 96, 64, 1, Together> {};
template <>
struct TileOf<3> : TileShape<64, 128, 64, 1, InTurns> {};
template <>
struct TileOf<4> : TileShape<64, 64, 128, 1, OneTile> {};

using Tile = TileOf<GEMM_TILE>::Tile;
using Cluster = TileOf<GEMM_TILE>::Cluster;
using Schedule = TileOf<GEMM_TILE>::Schedule;

template <typename Then>
class Kernel {
  using Rows = cutlass::layout::RowMajor;
  using Columns = cutlass::layout::ColumnMajor;
  static constexpr int kAlignment = 8;  // 16 bytes, as TMA wants it

  using Epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, Tile, Cluster,
      cutlass::epilogue::collective::EpilogueTileAuto, float, float, typename Then::Source, Rows,
      kAlignment, Number, Rows, kAlignment, typename Schedule::Epilogue,
      typename Then::template Tree<Tile>>::CollectiveOp;
  using Products = typename cutlass::gemm::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, Number, Rows, kAlignment, Number,
      Columns, kAlignment, float, Tile, Cluster,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(
          sizeof(typename Epilogue::SharedStorage))>,
      typename Schedule::Products>::CollectiveOp;
  using Whole = cutlass::gemm::kernel::GemmUniversal<Shape<int, int, int, int>, Products, Epilogue,
                                                     cutlass::gemm::PersistentScheduler>;
  using Adapter = cutlass::gemm::device::GemmUniversalAdapter<Whole>;

 public:
  static int Run(const Gemm& gemm, int processors, cudaStream_t stream) {
    const int m = gemm.shape.m, n = gemm.shape.n, k = gemm.shape.k;
    const auto rows_of = [](int length) {
      return cute::make_stride(int64_t{length}, Int<1>{}, int64_t{0});
    };
    typename Adapter::Arguments arguments{
        cutlass::gemm::GemmUniversalMode::kGemm,
        {m, n, k, 1},
        {static_cast<const Number*>(gemm.a), rows_of(k), static_cast<const Number*>(gemm.b),
         rows_of(k)},
        {{}, nullptr, rows_of(n), static_cast<Number*>(gemm.d), rows_of(n)}};
    arguments.hw_info.sm_count = processors;
    Then::Set(gemm, arguments.epilogue.thread);
    if constexpr (!std::is_void_v<typename Then::Source>) {
      arguments.epilogue.ptr_C = static_cast<const Number*>(gemm.residual);
    }
    if constexpr (!std::is_same_v<Schedule, OneTile>) {
      // Blocks that run at once work on a square of tiles, not on a row: less to read again.
      arguments.scheduler.max_swizzle_size = m > 4000 ? 4 : 1;
    }
    Adapter adapter;
    if (Adapter::can_implement(arguments) != cutlass::Status::kSuccess ||
        adapter.initialize(arguments, /*workspace=*/nullptr, stream) != cutlass::Status::kSuccess ||
        adapter.run(stream, /*cuda_adapter=*/nullptr, /*launch_with_pdl=*/true) !=
            cutlass::Status::kSuccess) {
      const cudaError_t error = cudaGetLastError();
      return error == cudaSuccess ? cudaErrorInvalidValue : error;
    }
    return cudaSuccess;
  }
};

}  // namespace

template <>
int RunGemmTile<GEMM_TILE>(const Gemm& gemm, int processors, cudaStream_t stream) {
  const auto run = [&](auto kernel) { return decltype(kernel)::Run(gemm, processors, stream); };
  switch (gemm.shape.then) {
    case GemmThen::kNothing:
      return run(Kernel<ThenNothing>());
    case GemmThen::kResidual:
      return run(Kernel<ThenResidual>());
    case GemmThen::kActivationNorm:
      return gemm.shape.activation == Activation::kRelu
                 ? run(Kernel<ThenActivationNorm<Ptx, Activation::kRelu>>())
                 : run(Kernel<ThenActivationNorm<Ptx, Activation::kGelu>>());
    case GemmThen::kActivation:
      break;
  }
  return WithConstant(gemm.shape.activation, [&](auto activation) {
    return run(Kernel<ThenActivation<Ptx, activation()>>());
  });
}

}  // namespace patchserve::cuda
