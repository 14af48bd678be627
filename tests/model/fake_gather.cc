#include "tests/model/fake_gather.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <bit>

#include "server/model/cuda/gather_chunk.h"

namespace patchserve {
namespace {

template <typename Value, typename Convert>
void GatherAll(const cuda::Gather& gather, const Convert& convert) {
  const auto* const table = static_cast<const Value*>(gather.table);
  for (int image = 0; image < gather.count; ++image) {
    for (int64_t chunk = 0; chunk < cuda::ChunksOf(gather); ++chunk) {
      cuda::GatherChunk(gather, table, image, chunk, convert);
    }
  }
}

}  // namespace

void GatherOnCpu(const cuda::Gather& gather) {
  switch (gather.type) {
    case cuda::ValueType::kFloat32:
      return GatherAll<uint32_t>(gather, [](float x) { return std::bit_cast<uint32_t>(x); });
    case cuda::ValueType::kBFloat16:
      return GatherAll<uint16_t>(gather, [](float x) { return c10::BFloat16(x).x; });
    case cuda::ValueType::kFloat16:
      return GatherAll<uint16_t>(gather, [](float x) { return c10::Half(x).x; });
  }
}

}  // namespace patchserve
