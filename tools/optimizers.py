"""What train_cifar10.py trains with."""

import torch


def orthogonal(matrix):
    """Nearly the closest matrix whose singular values are all 1: five Newton-Schulz steps, as Muon takes them.

    In float32: torch.optim.Muon takes them in bfloat16, which is slow on most CPUs.
    """
    x = matrix / (matrix.norm() + 1e-7)
    if x.shape[0] > x.shape[1]:
        return orthogonal(matrix.T).T
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


class Muon(torch.optim.Optimizer):
    """Momentum whose steps are made orthogonal (Jordan et al., 2024), for the matrices of the blocks.

    A step has the size of one of AdamW (Liu et al., arXiv 2502.16982). A pointwise
    convolution's kernel is a matrix too.
    """

    def __init__(self, matrices, weight_decay):
        super().__init__(matrices, dict(lr=0.0, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
                momentum.lerp_(p.grad, 0.05)
                step = orthogonal(p.grad.lerp(momentum, 0.95).flatten(1)).view_as(p)
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(step, alpha=-0.2 * max(p.shape[:2]) ** 0.5 * group["lr"])


class Optimizers:
    """Muon for the matrices of the blocks, AdamW for everything else; or AdamW for all."""

    def __init__(self, model, args):
        matrices, weights, others = [], [], []
        for name, p in model.named_parameters():
            is_matrix = name.startswith("blocks") and p.ndim > 1 and p[0].numel() == p.shape[1]
            if args.optimizer == "muon" and is_matrix:
                matrices.append(p)
            else:
                (weights if p.ndim > 1 else others).append(p)
        adamw = torch.optim.AdamW([dict(params=weights, weight_decay=args.weight_decay),
                                   dict(params=others, weight_decay=0.0)], foreach=True)
        self.parts = [(adamw, 1)]
        if matrices:
            self.parts.append((Muon(matrices, args.weight_decay), args.muon_factor))

    def set_learning_rate(self, rate):
        for optimizer, factor in self.parts:
            for group in optimizer.param_groups:
                group["lr"] = rate * factor

    def step(self):
        for optimizer, _ in self.parts:
            optimizer.step()
            optimizer.zero_grad()

    def state_dict(self):
        return [optimizer.state_dict() for optimizer, _ in self.parts]

    def load_state_dict(self, states):
        for (optimizer, _), state in zip(self.parts, states):
            optimizer.load_state_dict(state)
