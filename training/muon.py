"""Muon (K. Jordan, 2024): momentum whose matrix updates are made orthogonal by Newton–Schulz steps.

It needs about two thirds of the tokens that AdamW needs, which is what a training on two cores is short of.
"""

import torch
from torch import Tensor

STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix with singular values of about one."""
    a, b, c = COEFFICIENTS
    x = matrix.bfloat16()
    is_tall = x.shape[0] > x.shape[1]
    if is_tall:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(STEPS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return (x.T if is_tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """For the matrices inside the layers; embeddings and norms take AdamW."""

    def __init__(self, parameters, lr: float, momentum: float = 0.95, weight_decay: float = 0.01) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                velocity = self.state[weights].setdefault("velocity", torch.zeros_like(weights))
                velocity.lerp_(weights.grad, 1 - group["momentum"])
                ahead = weights.grad.lerp(velocity, group["momentum"])
                scale = max(1.0, weights.shape[0] / weights.shape[1]) ** 0.5
                weights.mul_(1 - group["lr"] * group["weight_decay"])
                weights.add_(orthogonal(ahead), alpha=-group["lr"] * scale)
