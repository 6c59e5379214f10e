"""The reference: a Hugging Face model computed in float64 throughout, every step a full pass without a cache."""

import dataclasses

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from transformers import AutoConfig, AutoModelForCausalLM

import toy_tokenizer

PROMPT_LENGTH = 64
GREEDY_LENGTH = 200


class Float64(TorchFunctionMode):
    """transformers narrows norms, softmax and rope to float32 by name; inside this mode float32 means float64."""

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        def widen(value):
            return torch.float64 if value is torch.float32 else value

        if function is torch.Tensor.float:
            function = torch.Tensor.double
        return function(*map(widen, arguments), **{name: widen(value) for name, value in (keywords or {}).items()})


@dataclasses.dataclass
class Golden:
    prompt: list[int]
    logits: np.ndarray
    """float64, [PROMPT_LENGTH, vocabulary]"""
    greedy: list[int]
    min_margin: float
    """the smallest distance between the best and the second-best logit over the greedy steps"""
    float32_deviation: float
    """how far the same model in float32 moves the logits: the noise an exact float32 engine may show"""


def build(config: dict, dtype: torch.dtype):
    configuration = AutoConfig.for_model(**config)
    return AutoModelForCausalLM.from_config(
        configuration, attn_implementation="eager", experts_implementation="eager", dtype=dtype).eval()


def parameter_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    """Names and shapes as a checkpoint stores them (a tied output projection is not stored)."""
    with torch.device("meta"):
        state = build(config, torch.float32).state_dict()
    tied = config["tie_word_embeddings"]
    return {name: tuple(value.shape) for name, value in sorted(state.items()) if not (tied and name == "lm_head.weight")}


def loaded(config: dict, weights: dict[str, np.ndarray], dtype: torch.dtype):
    model = build(config, dtype)
    state = {name: torch.from_numpy(value).to(dtype) for name, value in weights.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    model.tie_weights()
    return model


def all_logits(model, tokens: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0]


def draw_prompt(seed: int) -> list[int]:
    generator = np.random.default_rng([seed, 1])
    return [int(token) for token in generator.integers(0, len(toy_tokenizer.PIECES), PROMPT_LENGTH)]


def compute(config: dict, weights: dict[str, np.ndarray], seed: int, margin: float) -> Golden | None:
    """None when this seed does not make a good test: a near tie, a control token, or a monotonous text."""
    prompt = draw_prompt(seed)
    tokens = list(prompt)
    min_margin = float("inf")
    with Float64():
        model = loaded(config, weights, torch.float64)
        logits = all_logits(model, prompt)
        assert logits.dtype == torch.float64
        for _ in range(GREEDY_LENGTH):
            (best, second), (token, _) = all_logits(model, tokens)[-1].topk(2)
            min_margin = min(min_margin, float(best - second))
            if min_margin < margin or int(token) >= len(toy_tokenizer.PIECES):
                return None
            tokens.append(int(token))
    greedy = tokens[PROMPT_LENGTH:]
    if is_monotonous(greedy):
        return None
    narrow = all_logits(loaded(config, weights, torch.float32), prompt)
    assert narrow.dtype == torch.float32
    deviation = float((narrow.double() - logits).abs().max())
    return Golden(prompt, logits.numpy(), greedy, min_margin, deviation)


def is_monotonous(tokens: list[int]) -> bool:
    """True for few distinct tokens, or when the second half goes round in a loop."""
    tail = tokens[len(tokens) // 2:]
    loops = any(tail[period:] == tail[:-period] for period in range(1, len(tail) // 2))
    return loops or len(set(tokens)) < 40
