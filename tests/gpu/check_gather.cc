#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>

#include <utility>

#include "absl/strings/str_format.h"
#include "server/model/normalization.h"
#include "tests/gpu/kernel_check.h"

namespace patchserve::cuda {
namespace {

constexpr std::pair<ValueType, at::ScalarType> kTypes[] = {{ValueType::kFloat32, at::kFloat},
                                                           {ValueType::kBFloat16, at::kBFloat16},
                                                           {ValueType::kFloat16, at::kHalf}};

at::Tensor Pinned(const at::Tensor& on_host, const at::Device& device) {
  if (device.is_cpu()) return on_host;
  at::Tensor pinned = at::empty(on_host.sizes(), on_host.options().pinned_memory(true));
  return pinned.copy_(on_host);
}

void Check(const Checked& checked, ValueType value_type, at::ScalarType type, int64_t images,
           int64_t height, int64_t width, Tally& tally) {
  const std::string what = absl::StrFormat("gather type %d, %dx%dx%d", static_cast<int>(value_type),
                                           images, height, width);
  const at::TensorOptions target = at::TensorOptions(checked.device).dtype(type);
  const Normalization normalize(Preprocessing{}, at::TensorOptions(type));
  const at::Tensor table = normalize.table().to(checked.device);
  const at::Tensor pixels =
      Pinned(at::randint(256, {images, height, width, 3}, at::kByte), checked.device);
  // Every third image is a tensor; an image begins at a multiple of 16 bytes.
  const int64_t rest = (16 - height * width * 3 % 16) % 16;
  const at::Tensor planes = Pinned(at::rand({images, height * width * 3 + rest}), checked.device);
  at::Tensor expected = normalize(pixels);
  // A guard behind.
  const at::Tensor out = at::full({images + 1, height, width, 3}, 7, target);
  Gather gather{.type = value_type,
                .pixels = height * width,
                .table = table.const_data_ptr(),
                .out = out.mutable_data_ptr()};
  at::Tensor aligned =
      Pinned(at::empty({images, height * width * 3 + rest}, at::kByte), checked.device);
  aligned.narrow(1, 0, height * width * 3).copy_(pixels.flatten(1));
  for (int64_t i = 0; i < images; ++i) {
    const bool is_tensor = i % 3 == 1;
    gather.Add(is_tensor ? planes[i].const_data_ptr() : aligned[i].const_data_ptr(), is_tensor);
    if (is_tensor) {
      expected[i].copy_(
          planes[i].narrow(0, 0, height * width * 3).view({3, height, width}).permute({1, 2, 0}));
    }
  }
  if (!tally.Started(what, checked.kernels.run_gather(gather, StreamOf(checked.device)))) return;
  const at::Tensor got = out.cpu();
  tally.Compare(what, got.narrow(0, 0, images), expected.to(at::kFloat), /*rounding=*/0,
                /*sums=*/0);
  tally.Expect(what, (got[images] == 7).all().item<bool>(), "writes beyond its images");
}

}  // namespace

int CheckGather(const Checked& checked) {
  Tally tally(checked.kernels);
  for (const auto& [value_type, type] : kTypes) {
    Check(checked, value_type, type, 3, 5, 7, tally);
    if (checked.few) continue;
    for (const auto& [height, width] : {std::pair(1, 1), {32, 32}, {224, 224}, {223, 225}}) {
      for (int64_t images : {1, 37, Gather::kMostImages}) {
        Check(checked, value_type, type, images, height, width, tally);
      }
    }
  }
  return tally.Print("gather");
}

}  // namespace patchserve::cuda
