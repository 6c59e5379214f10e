"""The starter's network: a small Qwen 3 (RMS norms, rotary positions, grouped queries with norms, SwiGLU, tied embeddings)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Sizes of a network."""

    width: int
    layers: int
    heads: int
    groups: int  # heads of keys and values
    hidden: int
    vocabulary: int = 8192
    head: int = 64
    context: int = 2048
    rope_base: float = 10_000.0
    epsilon: float = 1e-6


PRESETS = {
    "cpu": Shape(width=192, layers=4, heads=3, groups=3, hidden=512),
    "gpu": Shape(width=512, layers=12, heads=8, groups=4, hidden=1408),
}


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotary positions on [batch, heads, length, head], halves apart as GPT-NeoX has them."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosines - second * sines, second * cosines + first * sines), dim=-1)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention on [batch, heads, length, head]."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    # On the processor PyTorch's kernel takes three times as long for its gradients, at the lengths that we have.
    length = q.shape[2]
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5
    return scores.masked_fill(later, float("-inf")).softmax(-1).to(v.dtype) @ v


class ReadLoss(torch.autograd.Function):
    """The mean cross-entropy of `targets` [rows], read from `states` [rows, width] by the embedding's matrix.

    The gradient of the logits is made in place, where the probabilities lie: with 8,192 tokens and few layers, passes over
    the logits are a quarter of a step otherwise.
    """

    @staticmethod
    def forward(ctx, states: Tensor, matrix: Tensor, targets: Tensor) -> Tensor:
        states, matrix = states.bfloat16(), matrix.bfloat16()
        errors = (states @ matrix.T).softmax(-1)
        rows = torch.arange(len(targets), device=targets.device)
        loss = -errors[rows, targets].float().clamp_min(1e-9).log().mean()
        errors[rows, targets] -= 1
        ctx.save_for_backward(states, matrix, errors)
        return loss

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        states, matrix, errors = ctx.saved_tensors
        share = gradient / len(errors)
        return (errors @ matrix).float() * share, (errors.T @ states).float() * share, None


class Block(nn.Module):
    """One layer. Names are those of the GGUF tensors."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        narrow = shape.groups * shape.head
        wide = shape.heads * shape.head
        self.attn_norm = nn.RMSNorm(shape.width, shape.epsilon)
        self.attn_q = nn.Linear(shape.width, wide, bias=False)
        self.attn_k = nn.Linear(shape.width, narrow, bias=False)
        self.attn_v = nn.Linear(shape.width, narrow, bias=False)
        self.attn_q_norm = nn.RMSNorm(shape.head, shape.epsilon)
        self.attn_k_norm = nn.RMSNorm(shape.head, shape.epsilon)
        self.attn_output = nn.Linear(wide, shape.width, bias=False)
        self.ffn_norm = nn.RMSNorm(shape.width, shape.epsilon)
        self.ffn_gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.ffn_up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.ffn_down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        batch, length, _ = x.shape
        y = self.attn_norm(x)

        def split(z: Tensor) -> Tensor:
            return z.view(batch, length, -1, self.shape.head).transpose(1, 2)

        q = rotate(self.attn_q_norm(split(self.attn_q(y)).float()), cosines, sines)
        k = rotate(self.attn_k_norm(split(self.attn_k(y)).float()), cosines, sines)
        v = split(self.attn_v(y))
        repeats = self.shape.heads // self.shape.groups
        k, v = k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1)
        mixed = attend(q.to(v.dtype), k.to(v.dtype), v)
        x = x + self.attn_output(mixed.transpose(1, 2).reshape(batch, length, -1))
        y = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(y)) * self.ffn_up(y))


class Starter(nn.Module):
    """The network: token ids [batch, length] to hidden states [batch, length, width]; `logits` reads tokens from them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = nn.RMSNorm(shape.width, shape.epsilon)
        turns = shape.rope_base ** (-torch.arange(0, shape.head, 2).float() / shape.head)
        angles = torch.arange(shape.context).float()[:, None] * turns
        self.register_buffer("cosines", angles.cos(), persistent=False)
        self.register_buffer("sines", angles.sin(), persistent=False)
        for name, weights in self.named_parameters():
            if weights.dim() == 2:
                shrink = (2 * shape.layers) ** -0.5 if name.endswith(("attn_output.weight", "ffn_down.weight")) else 1.0
                nn.init.normal_(weights, std=0.02 if "embd" in name else shrink * weights.shape[1] ** -0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        x = self.token_embd(tokens)
        for block in self.blk:
            x = block(x, self.cosines[:length], self.sines[:length])
        return self.output_norm(x)

    def logits(self, states: Tensor) -> Tensor:
        return F.linear(states, self.token_embd.weight)
