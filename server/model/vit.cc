#include "server/model/vit.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mean.h>

#include <utility>

#include "server/model/kernels/attention.h"

namespace patchserve {
namespace {

// [N, H, W, 3] -> [N, T, D]: class token, distillation token or registers, then the
// patches by rows. Pixels that make no whole patch are left out.
at::Tensor Embed(const ViTWeights& w, const at::Tensor& images) {
  const at::Tensor grid = w.patch_embed.linear(w.patch_embed.Patches(images));
  const at::Tensor patches = w.patch_norm(grid.flatten(1, 2)) + w.patch_positions;
  const at::Tensor prefix = w.prefix.expand({images.size(0), -1, -1});
  return w.norm_pre(at::cat({prefix, patches}, /*dim=*/1));
}

// What the heads give together, when only the first `queries` tokens ask: [N, T, D] ->
// [N, queries, D].
at::Tensor Attend(const ViTAttention& a, int64_t heads, const at::Tensor& x, int64_t queries) {
  const int64_t n = x.size(0), tokens = x.size(1), dim = x.size(2);
  const at::Tensor qkv =  // [N, T, 3 * D] -> [3, N, heads, T, D / heads]
      a.qkv(x).view({n, tokens, 3, heads, dim / heads}).permute({2, 0, 3, 1, 4});
  return a.norm(
      Attention(a.q_norm(qkv[0].narrow(/*dim=*/2, 0, queries)), a.k_norm(qkv[1]), qkv[2]));
}

// What an MLP's second layer takes.
at::Tensor Hidden(const ViTMlp& mlp, Activation activation, const at::Tensor& x) {
  if (!mlp.gated) return mlp.norm(mlp.fc1.Activated(activation, x));
  const std::vector<at::Tensor> halves = mlp.fc1(x).chunk(2, /*dim=*/-1);
  at::Tensor gate = halves[0].contiguous();
  Activate(activation, gate);
  return mlp.norm(gate.mul_(halves[1]));
}

// residual + post_norm(linear(x))
at::Tensor PlusResidual(const Linear& linear, const Norm& post_norm, const at::Tensor& x,
                        const at::Tensor& residual) {
  if (!post_norm.weight.defined()) return linear.PlusResidual(x, residual);
  return post_norm(linear(x)).add_(residual);
}

// The paper's equations 2 and 3. Of the result only the first `kept` tokens are
// computed: [N, T, D] -> [N, kept, D].
at::Tensor Block(const ViTBlock& b, const ViTWeights& w, const at::Tensor& x, int64_t kept) {
  const at::Tensor mixed = Attend(b.attention, w.options.num_heads, b.norm1(x), kept);
  const at::Tensor y =
      PlusResidual(b.attention.proj, b.post_norm1, mixed, x.narrow(/*dim=*/1, 0, kept));
  const at::Tensor hidden = Hidden(b.mlp, w.activation, b.norm2(y));
  return PlusResidual(b.mlp.fc2, b.post_norm2, hidden, y);
}

// "Scaling Vision Transformers to 22 Billion Parameters" (arXiv 2302.05442), section 2.
at::Tensor ParallelBlock(const ViTBlock& b, const ViTWeights& w, const at::Tensor& x,
                         int64_t kept) {
  const at::Tensor normed = b.norm1(x);
  const at::Tensor mixed = Attend(b.attention, w.options.num_heads, normed, kept);
  const at::Tensor y = b.attention.proj.PlusResidual(mixed, x.narrow(/*dim=*/1, 0, kept));
  const at::Tensor seen = normed.narrow(/*dim=*/1, 0, kept).contiguous();
  return b.mlp.fc2.PlusResidual(Hidden(b.mlp, w.activation, seen), y);
}

// timm/layers/attention_pool.py, AttentionPoolLatent: [N, T, D] -> [N, D].
at::Tensor AttentionPool(const ViTAttentionPool& p, Activation activation, const at::Tensor& x) {
  const int64_t n = x.size(0), tokens = x.size(1), dim = x.size(2), heads = p.query.size(1);
  const at::Tensor kv =  // [N, T, 2 * D] -> [2, N, heads, T, D / heads]
      p.kv(x).view({n, tokens, 2, heads, dim / heads}).permute({2, 0, 3, 1, 4});
  const at::Tensor mixed = Attention(p.query.expand({n, -1, -1, -1}), kv[0], kv[1]);
  const at::Tensor y = p.proj(mixed.view({n, dim}));
  return p.mlp.fc2.PlusResidual(Hidden(p.mlp, activation, p.norm(y)), y);
}

// [N, T, D] -> [N, D].
at::Tensor PoolTokens(const ViTWeights& w, const at::Tensor& x) {
  if (w.options.pool == Pool::kToken) return x.select(/*dim=*/1, 0);
  const int64_t skipped = w.options.pool_include_prefix ? 0 : w.prefix.size(1);
  const at::Tensor seen = x.narrow(/*dim=*/1, skipped, x.size(1) - skipped);
  switch (w.options.pool) {
    case Pool::kMap:
      return AttentionPool(w.attention_pool, w.activation, seen);
    case Pool::kMax:
      return at::amax(seen, /*dim=*/1);
    case Pool::kAvgMax:
      return (at::amax(seen, /*dim=*/1) + at::mean(seen, /*dim=*/1)) * 0.5;
    default:
      return at::mean(seen, /*dim=*/1);
  }
}

// DeiT's two tokens each have a head; timm's embedding is their mean as well.
NetworkOutput DistilledHeads(const ViTWeights& w, const at::Tensor& x) {
  const at::Tensor token = x.select(/*dim=*/1, 0), distilled = x.select(/*dim=*/1, 1);
  NetworkOutput output{.embedding = (token + distilled) / 2};
  if (w.head.there()) output.logits = (w.head(token) + w.head_dist(distilled)) / 2;
  return output;
}

}  // namespace

NetworkOutput ViT(const ViTWeights& w, const at::Tensor& images) {
  at::Tensor x = Embed(w, images);  // [N, T, D]
  for (const ViTBlock& block : w.blocks) {
    // Where only the first tokens are looked at in the end, the last block leaves out the rest.
    const bool first_only = w.options.pool == Pool::kToken && &block == &w.blocks.back();
    const int64_t looked_at = w.options.distilled ? 2 : 1;
    x = (w.options.parallel ? ParallelBlock : Block)(block, w, x,
                                                     first_only ? looked_at : x.size(1));
  }
  x = w.norm(x);
  if (w.options.distilled) return DistilledHeads(w, x);
  return Classified(w.head, w.fc_norm(PoolTokens(w, x)));
}

}  // namespace patchserve
