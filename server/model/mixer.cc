#include "server/model/mixer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/mean.h>

#include <utility>

namespace patchserve {
namespace {

// [N, T, C] -> [N, C, T], or back.
at::Tensor Transposed(const at::Tensor& x) { return x.transpose(1, 2).contiguous(); }

// What an MLP's second layer takes.
at::Tensor Hidden(const Mlp& mlp, Activation activation, const at::Tensor& x) {
  if (!mlp.gated) return mlp.fc1.Activated(activation, x);
  const std::vector<at::Tensor> halves = mlp.fc1(x).chunk(2, /*dim=*/-1);
  at::Tensor gate = halves[1].contiguous();
  Activate(activation, gate);
  return gate.mul_(halves[0]);
}

at::Tensor PlusMlp(const Mlp& mlp, Activation activation, const at::Tensor& x,
                   const at::Tensor& residual) {
  return mlp.fc2.PlusResidual(Hidden(mlp, activation, x), residual);
}

// MLP-Mixer's equation 1: an MLP over the patches of each channel, and one over the channels of
// each patch.
at::Tensor Block(const MixerBlock& b, Activation activation, const at::Tensor& x) {
  const at::Tensor hidden = Hidden(b.tokens, activation, Transposed(b.norm1(x)));
  const at::Tensor y = x + b.tokens.fc2(hidden).transpose(1, 2);
  return PlusMlp(b.channels, activation, b.norm2(y), y);
}

// ResMLP's equations 2 and 3: the patches are mixed by one linear layer.
at::Tensor Block(const ResMlpBlock& b, Activation activation, const at::Tensor& x) {
  const at::Tensor mixed = b.tokens(Transposed(b.affine(x))).transpose(1, 2);
  const at::Tensor y = at::addcmul(x, b.scale, mixed);
  return PlusMlp(b.channels, activation, y, y);
}

// gMLP's equations 1 and 2: one MLP, in whose middle the spatial gating unit lets the patches see
// each other.
at::Tensor Block(const GmlpBlock& b, Activation activation, const at::Tensor& x) {
  const std::vector<at::Tensor> halves =
      b.fc1.Activated(activation, b.norm(x)).chunk(2, /*dim=*/-1);
  const at::Tensor gate = b.gate(Transposed(b.gate_norm(halves[1].contiguous()))).transpose(1, 2);
  return b.fc2.PlusResidual(halves[0] * gate, x);
}

}  // namespace

at::Tensor Affine::operator()(const at::Tensor& x) const {
  return alpha.defined() ? at::addcmul(beta, alpha, x) : x;
}

NetworkOutput Mixer(const MixerWeights& w, const at::Tensor& images) {
  // Patch embedding: [N, H, W, 3] -> [N, T, C], the shape from here on.
  at::Tensor x = w.stem.linear(w.stem.Patches(images)).flatten(1, 2);
  for (const auto& block : w.blocks) {
    x = std::visit([&](const auto& b) { return Block(b, w.activation, x); }, block);
  }
  // Global average pooling: [N, T, C] -> [N, C].
  return Classified(w.head, at::mean(w.affine(w.norm(x)), /*dim=*/1));
}

}  // namespace patchserve
