"""Writes a checkpoint as GGUF, with the names, keys and values of llama.cpp's own converter."""

import math
from pathlib import Path

import gguf
import numpy as np

import toy_tokenizer


def write(path: Path, config: dict, weights: dict[str, np.ndarray], pre: str, adds_bos: bool,
          split_max_tensors: int = 0, mxfp4: bool = False) -> None:
    architecture = ARCHITECTURES[config["model_type"]]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture], split_max_tensors=split_max_tensors)
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Toy")  # llama.cpp treats some names ("phi3") specially
    add_hyperparameters(writer, config)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    toy_tokenizer.add_to_gguf(writer, pre, adds_bos)

    names = gguf.get_tensor_name_map(architecture, config["num_hidden_layers"])
    for rope_name, factors in rope_factors(config).items():
        writer.add_tensor(rope_name, np.asarray(factors, dtype=np.float32))
    for weight_name, value in experts_stacked(weights).items():
        gguf_name = names.get_name(weight_name, try_suffixes=(".weight", ".bias"))
        assert gguf_name is not None, weight_name
        if gguf_name.endswith(".attn_sinks"):
            gguf_name += ".weight"
        value = converted(weight_name, value, config)
        if mxfp4 and gguf_name.endswith("_exps.weight"):
            kind = gguf.GGMLQuantizationType.MXFP4
            writer.add_tensor(gguf_name, gguf.quants.quantize(value, kind), raw_dtype=kind)
        else:
            writer.add_tensor(gguf_name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def experts_stacked(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """As llama.cpp's converter writes them: gate, up and down each one tensor for all experts."""
    stacked = {}
    for name, value in weights.items():
        stem, _, part = name.rpartition(".experts.")
        if f"{stem}.router.weight" in weights:
            stacked |= {f"{stem}.experts.{part}": value for part, value in gpt_oss_parts(part, value).items()}
        elif part == "gate_up_proj":
            gate, up = np.split(value, 2, axis=1)
            stacked[f"{stem}.experts.gate_proj.weight"] = np.ascontiguousarray(gate)
            stacked[f"{stem}.experts.up_proj.weight"] = np.ascontiguousarray(up)
        else:
            stacked[f"{name}.weight" if stem else name] = value
    return stacked


def gpt_oss_parts(name: str, value: np.ndarray) -> dict[str, np.ndarray]:
    """gpt-oss multiplies from the other side, and gate and up alternate."""
    part, is_bias = name.removesuffix("_bias"), name.endswith("_bias")
    suffix = "bias" if is_bias else "weight"
    rows = value if is_bias else value.swapaxes(1, 2)
    if part == "gate_up_proj":
        return {f"gate_proj.{suffix}": np.ascontiguousarray(rows[:, ::2]),
                f"up_proj.{suffix}": np.ascontiguousarray(rows[:, 1::2])}
    return {f"down_proj.{suffix}": np.ascontiguousarray(rows)}


ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "gemma3_text": gguf.MODEL_ARCH.GEMMA3,
    "phi3": gguf.MODEL_ARCH.PHI3,
    "gemma2": gguf.MODEL_ARCH.GEMMA2,
    "granite": gguf.MODEL_ARCH.GRANITE,
    "olmo2": gguf.MODEL_ARCH.OLMO2,
    "smollm3": gguf.MODEL_ARCH.SMOLLM3,
    "qwen3_moe": gguf.MODEL_ARCH.QWEN3MOE,
    "starcoder2": gguf.MODEL_ARCH.STARCODER2,
    "gpt_oss": gguf.MODEL_ARCH.GPT_OSS,
    "lfm2": gguf.MODEL_ARCH.LFM2,
}


# Families whose converter puts the elements that rope turns together side by side.
INTERLEAVED = ("llama", "mistral", "granite", "smollm3")


def head_dimension(config: dict) -> int:
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def rope_parameters(config: dict) -> dict:
    """The rope of the full-attention layers, whichever of the two spellings the config uses."""
    if "rope_parameters" in config:
        return config["rope_parameters"].get("full_attention", config["rope_parameters"])
    return {"rope_theta": config["rope_theta"], **(config.get("rope_scaling") or {})}


def sliding_rope_theta(config: dict) -> float | None:
    if "rope_parameters" in config:
        return config["rope_parameters"].get("sliding_attention", {}).get("rope_theta")
    return config.get("rope_local_base_freq")


def add_hyperparameters(writer: gguf.GGUFWriter, config: dict) -> None:
    family = config["model_type"]
    rope = rope_parameters(config)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    kv_heads = config["num_key_value_heads"]
    writer.add_head_count_kv(
        [kv_heads if kind == "full_attention" else 0 for kind in config["layer_types"]] if family == "lfm2" else kv_heads)
    if family == "starcoder2":
        writer.add_layer_norm_eps(config["norm_epsilon"])
    else:
        writer.add_layer_norm_rms_eps(config["norm_eps" if family == "lfm2" else "rms_norm_eps"])
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    if config.get("head_dim") is not None:
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])

    if family in INTERLEAVED:
        writer.add_vocab_size(config["vocab_size"])
        writer.add_rope_dimension_count(head_dimension(config))
    if family == "gemma3_text":
        writer.add_sliding_window(config["sliding_window"])
        writer.add_rope_freq_base_swa(sliding_rope_theta(config))
        if config.get("final_logit_softcapping"):
            writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if family == "gemma2":
        writer.add_sliding_window(config["sliding_window"])
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if family == "granite":
        writer.add_embedding_scale(config["embedding_multiplier"])
        writer.add_attention_scale(config["attention_multiplier"])
        writer.add_residual_scale(config["residual_multiplier"])
        writer.add_logit_scale(config["logits_scaling"])
    if family == "qwen3_moe":
        writer.add_expert_count(config["num_experts"])
        writer.add_expert_used_count(config["num_experts_per_tok"])
        writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    if family == "gpt_oss":
        writer.add_sliding_window(config["sliding_window"])
        writer.add_expert_count(config["num_local_experts"])
        writer.add_expert_used_count(config["num_experts_per_tok"])
        writer.add_expert_feed_forward_length(config["intermediate_size"])
    if family == "lfm2":
        writer.add_vocab_size(config["vocab_size"])
        writer.add_shortconv_l_cache(config["conv_L_cache"])
    if family == "phi3":
        add_phi3(writer, config, rope)
    elif rope.get("rope_type") == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif rope.get("rope_type") == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])


def add_phi3(writer: gguf.GGUFWriter, config: dict, rope: dict) -> None:
    original = config["original_max_position_embeddings"]
    rotated = int(config.get("partial_rotary_factor", 1.0) * config["hidden_size"]) // config["num_attention_heads"]
    writer.add_rope_scaling_orig_ctx_len(original)
    writer.add_rope_dimension_count(rotated)
    writer.add_sliding_window(config["sliding_window"] or 0)
    if "long_factor" in rope:
        scale = config["max_position_embeddings"] / original
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(original)) if scale > 1 else 1.0)


def rope_factors(config: dict) -> dict[str, list[float]]:
    """Divisors of the rope frequencies that GGUF carries as tensors."""
    rope = rope_parameters(config)
    if "long_factor" in rope:
        return {"rope_factors_long.weight": rope["long_factor"], "rope_factors_short.weight": rope["short_factor"]}
    if rope.get("rope_type") != "llama3":
        return {}
    dimension = head_dimension(config)
    original, low, high = (
        rope[key] for key in ("original_max_position_embeddings", "low_freq_factor", "high_freq_factor"))
    factors = []
    for pair in range(dimension // 2):
        wavelength = 2 * math.pi * rope["rope_theta"] ** (2 * pair / dimension)
        if wavelength < original / high:
            factors.append(1.0)
        elif wavelength > original / low:
            factors.append(rope["factor"])
        else:
            smooth = (original / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return {"rope_freqs.weight": factors}


def converted(name: str, value: np.ndarray, config: dict) -> np.ndarray:
    family = config["model_type"]
    if family in INTERLEAVED:
        if name.endswith("q_proj.weight"):
            return interleaved(value, config["num_attention_heads"])
        if name.endswith("k_proj.weight"):
            return interleaved(value, config["num_key_value_heads"])
    if family in ("gemma2", "gemma3_text") and name.endswith("norm.weight"):
        return value + np.float32(1)
    if name.endswith("conv.conv.weight"):
        return value.squeeze(1)
    return value


def interleaved(value: np.ndarray, heads: int) -> np.ndarray:
    """From rotating (i, i + half) to rotating (2i, 2i + 1), which is what llama.cpp's `llama` does."""
    rows, columns = value.shape
    return value.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
