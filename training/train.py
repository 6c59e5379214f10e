"""Trains the starter model; stops and resumes at any time.

    python3 training/train.py --out FOLDER --preset cpu

The learning rate warms up, stays, and decays to nothing at the end of the planned tokens. A file named `finish` in the
folder starts the decay at once, so that a good model can be had at any time; a number in it is the decay's tokens.
Checkpoints are written every few minutes.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch

import batches
from corpus import mix
from model import PRESETS, ReadLoss, Starter
from muon import Muon

# Per preset: planned tokens, tokens of copying at their begin, tokens of a step, tokens of the decay, learning rates of Muon
# and AdamW, processes that make batches.
PLANS = {
    "cpu": {"tokens": 30_000_000, "copying": 2_000_000, "step": 2048, "decay": 6_000_000, "muon": 0.02, "adam": 3e-3, "workers": 0},
    "gpu": {"tokens": 600_000_000, "copying": 20_000_000, "step": 65_536, "decay": 120_000_000, "muon": 0.02, "adam": 2e-3, "workers": 12},
}
WARM_UP_STEPS = 60
CHECKPOINT_SECONDS = 150


def rate(tokens: int, step: int, decay_from: int, decay: int) -> float:
    """The share of the full learning rate."""
    if tokens >= decay_from:
        return max(0.0, 1 - (tokens - decay_from) / decay)
    return min(1.0, (step + 1) / WARM_UP_STEPS)


def optimizers(model: Starter, plan: dict) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for the rest."""
    matrices = [w for name, w in model.named_parameters() if w.dim() == 2 and "embd" not in name]
    others = [w for name, w in model.named_parameters() if w.dim() != 2 or "embd" in name]
    return [Muon(matrices, lr=plan["muon"]), torch.optim.AdamW(others, lr=plan["adam"], betas=(0.9, 0.95), weight_decay=0.0)]


def save(path: Path, state: dict) -> None:
    """Writes a checkpoint whole or not at all."""
    torch.save(state, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)


def train(folder: Path, preset: str, seed: int, stop_at: float) -> None:
    """Trains until the plan is done, or the time `stop_at` (seconds since 1970)."""
    plan, shape = PLANS[preset], PRESETS[preset]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(seed)
    model = Starter(shape).to(device)
    chosen = optimizers(model, plan)
    done = {"tokens": 0, "step": 0, "pool": 0, "decay_from": plan["tokens"] - plan["decay"], "decay": plan["decay"]}
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, its in zip(chosen, state["optimizers"]):
            optimizer.load_state_dict(its)
        done = state["done"]
    full = [[group["lr"] for group in optimizer.param_groups] for optimizer in chosen]
    for rates, base in zip(full, (plan["muon"], plan["adam"])):
        rates[:] = [base] * len(rates)
    print(json.dumps({"preset": preset, "parameters": sum(w.numel() for w in model.parameters()), **asdict(shape), **done}), flush=True)

    def state() -> dict:
        return {"model": model.state_dict(), "optimizers": [each.state_dict() for each in chosen], "done": done}

    autocast = torch.autocast(device, torch.bfloat16)
    saved = shown = time.time()
    shown_tokens, losses = done["tokens"], []

    def part_of_plan() -> str:
        if done["tokens"] < plan["copying"]:
            return "copying"
        return "decay" if done["tokens"] >= done["decay_from"] else "all"

    def following() -> Iterator[tuple[int, batches.Batch]]:
        """Batches from where the training is, of the part of the plan that it is in."""
        while True:
            part = part_of_plan()
            shares = mix.COPYING if part == "copying" else mix.SHARES
            cut_share = batches.CUT_SHARE_IN_DECAY if part == "decay" else batches.CUT_SHARE
            source = batches.Source(folder / "tokenizer.json", seed, plan["step"], shape.context, tuple(shares.items()), cut_share)
            for index, batch in batches.stream(source, done["pool"], plan["workers"]):
                yield index, batch
                if part != part_of_plan():
                    break

    for index, batch in following():
        share = rate(done["tokens"], done["step"], done["decay_from"], done["decay"])
        if share == 0.0 or time.time() > stop_at:
            break
        for optimizer, rates in zip(chosen, full):
            for group, base in zip(optimizer.param_groups, rates):
                group["lr"] = base * share
        inputs, targets = batch.inputs.to(device), batch.targets.to(device)
        with autocast:
            states = model(inputs)
        wanted = targets != batches.IGNORED
        loss = ReadLoss.apply(states[wanted], model.token_embd.weight, targets[wanted])
        loss.backward()
        for optimizer in chosen:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        done["tokens"] += int((inputs != 0).sum())
        done["step"] += 1
        done["pool"] = index + 1
        if (folder / "finish").exists() and done["decay_from"] > done["tokens"]:
            done["decay_from"] = done["tokens"]
            done["decay"] = int((folder / "finish").read_text() or done["decay"])
        if len(losses) == 20:
            now = time.time()
            line = {"step": done["step"], "tokens": done["tokens"], "loss": round(sum(losses) / 20, 4), "rate": round(share, 3),
                    "tokens_per_second": round((done["tokens"] - shown_tokens) / (now - shown))}
            print(json.dumps(line), flush=True)
            shown, shown_tokens, losses = now, done["tokens"], []
        if time.time() - saved > CHECKPOINT_SECONDS:
            save(checkpoint, state())
            saved = time.time()
    save(checkpoint, state())
    print(json.dumps({"ended": True, **done}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", choices=PRESETS, default="cpu")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=1000.0, help="stop after this time; the same command resumes")
    arguments = parser.parse_args()

    train(arguments.out, arguments.preset, arguments.seed, time.time() + 3600 * arguments.hours)
