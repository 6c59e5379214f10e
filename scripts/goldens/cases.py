"""The toy models: what each one is called, what it is for, and its Hugging Face config."""

import dataclasses
import math

import toy_tokenizer


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    description: str
    config: dict
    pre: str = "llama-bpe"
    adds_bos: bool = True
    gguf: bool = True
    safetensors: bool = True
    shards: int = 1
    least_margin: float = 2e-3
    """how far apart the two best logits are at every greedy step"""
    server_context: int = 1024
    """the context size that llama.cpp must be started with to compute the same thing"""
    llama_cpp: bool = True
    """whether llama.cpp computes the same thing from the GGUF file"""
    mxfp4: bool = False
    """whether the experts are stored in MXFP4; an engine that rounds activations computes the rest less exactly"""


def config(model_type: str, architecture: str, **changes) -> dict:
    base = {
        "architectures": [architecture],
        "model_type": model_type,
        "vocab_size": len(toy_tokenizer.VOCABULARY),
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "attention_dropout": 0.0,
        "bos_token_id": toy_tokenizer.TOKEN_ID[toy_tokenizer.BOS],
        "eos_token_id": toy_tokenizer.TOKEN_ID[toy_tokenizer.EOS],
        "pad_token_id": toy_tokenizer.TOKEN_ID[toy_tokenizer.PAD],
        "torch_dtype": "float32",
    }
    merged = {**base, **changes}
    return {key: value for key, value in merged.items() if value is not REMOVED}


REMOVED = object()


def llama(**changes) -> dict:
    return config("llama", "LlamaForCausalLM", attention_bias=False, mlp_bias=False, **changes)


def mistral(**changes) -> dict:
    return config("mistral", "MistralForCausalLM", head_dim=16, **changes)


def qwen2(**changes) -> dict:
    return config("qwen2", "Qwen2ForCausalLM", **{"rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
                                                  "use_sliding_window": False, "sliding_window": None, **changes})


def qwen3(**changes) -> dict:
    return config("qwen3", "Qwen3ForCausalLM", **{
        "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "head_dim": 16, "attention_bias": False,
        "use_sliding_window": False, "sliding_window": None, **changes})


def gemma3(**changes) -> dict:
    return config("gemma3_text", "Gemma3ForCausalLM", **{
        "num_hidden_layers": 7, "head_dim": 16, "num_key_value_heads": 1,
        "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0,
        "hidden_act": REMOVED, "hidden_activation": "gelu_pytorch_tanh", "attention_bias": False,
        "sliding_window": 16, "sliding_window_pattern": 6, "query_pre_attn_scalar": 16,
        "attn_logit_softcapping": None, "final_logit_softcapping": None, **changes})


def phi3(**changes) -> dict:
    return config("phi3", "Phi3ForCausalLM", **{
        "original_max_position_embeddings": 1024, "rope_scaling": None, "sliding_window": None,
        "attention_bias": False, "embd_pdrop": 0.0, "resid_pdrop": 0.0, **changes})


def gemma2(**changes) -> dict:
    return config("gemma2", "Gemma2ForCausalLM", **{
        "num_hidden_layers": 4, "head_dim": 16, "rms_norm_eps": 1e-6, "hidden_act": REMOVED,
        "hidden_activation": "gelu_pytorch_tanh", "attention_bias": False, "sliding_window": 16,
        "query_pre_attn_scalar": 16, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 15.0, **changes})


def granite(**changes) -> dict:
    return config("granite", "GraniteForCausalLM", **{
        "attention_bias": False, "mlp_bias": False, "embedding_multiplier": 1.5, "attention_multiplier": 0.3,
        "residual_multiplier": 0.8, "logits_scaling": 0.75, **changes})


def olmo2(**changes) -> dict:
    return config("olmo2", "Olmo2ForCausalLM", **{"rms_norm_eps": 1e-6, "rope_theta": 500000.0,
                                                  "attention_bias": False, **changes})


def smollm3(**changes) -> dict:
    return config("smollm3", "SmolLM3ForCausalLM", **{
        "num_hidden_layers": 5, "rms_norm_eps": 1e-6, "attention_bias": False, "mlp_bias": False,
        "use_sliding_window": False, "sliding_window": None, **changes})


def qwen3_moe(**changes) -> dict:
    return config("qwen3_moe", "Qwen3MoeForCausalLM", **{
        "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "head_dim": 16, "attention_bias": False,
        "use_sliding_window": False, "sliding_window": None, "moe_intermediate_size": 16, "num_experts": 8,
        "num_experts_per_tok": 3, "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [], **changes})


def starcoder2(**changes) -> dict:
    return config("starcoder2", "Starcoder2ForCausalLM", **{
        "rms_norm_eps": REMOVED, "norm_epsilon": 1e-5, "hidden_act": "gelu_pytorch_tanh", "use_bias": True,
        "sliding_window": None, "rope_theta": 100000.0, "residual_dropout": 0.0, "embedding_dropout": 0.0, **changes})


def gpt_oss(rope_theta: float, **changes) -> dict:
    return config("gpt_oss", "GptOssForCausalLM", **{
        "intermediate_size": 16, "head_dim": 16, "attention_bias": True, "num_local_experts": 4,
        "num_experts_per_tok": 2, "sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"],
        "swiglu_alpha": 1.702, "swiglu_limit": 7.0, "rope_theta": rope_theta, "rope_scaling": {
            "rope_type": "yarn", "factor": 16.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False,
            "original_max_position_embeddings": 64}, "tie_word_embeddings": False, **changes})


def lfm2(**changes) -> dict:
    return config("lfm2", "Lfm2ForCausalLM", **{
        "rms_norm_eps": REMOVED, "hidden_act": REMOVED, "norm_eps": 1e-5, "rope_theta": 1000000.0, "conv_L_cache": 3,
        "conv_bias": False, "block_auto_adjust_ff_dim": False, "num_hidden_layers": 4,
        "layer_types": ["conv", "full_attention", "conv", "conv"], **changes})


LONGROPE = {"type": "longrope", "short_factor": [1.0, 1.1, 1.25, 1.5], "long_factor": [1.2, 2.5, 6.0, 12.0]}
QWEN = {"pre": "qwen2", "adds_bos": False}
PLAIN = {"pre": "gpt-2"}
HARMONY = {"pre": "gpt-4o", "adds_bos": False}
# With this base YaRN's blend ends at a whole pair of elements; llama.cpp always rounds up to one, the model does not.
WHOLE_PAIRS = round((64 / (2 * math.pi)) ** 4 * 1.0001, 3)
GEMMA = {**PLAIN, "least_margin": 8e-3}  # llama.cpp looks GELU up in a float16 table and still has to agree

CASES = [
    Case("llama", "Llama, grouped-query attention, separate output projection",
         llama(tie_word_embeddings=False)),
    Case("qwen2", "Qwen2, biases on q, k and v, separate output projection",
         qwen2(tie_word_embeddings=False), **QWEN),
    Case("llama-tied", "Llama, 8 heads over 2 key-value heads, explicit head_dim, tied embeddings, config in the "
                       "rope_parameters spelling of transformers 5",
         llama(num_attention_heads=8, head_dim=8, rope_theta=REMOVED,
               rope_parameters={"rope_type": "default", "rope_theta": 500000.0})),
    Case("llama-rope-llama3", "Llama 3.1 rope scaling: kept, blended and stretched frequencies",
         llama(num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=512, rope_scaling={
             "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
             "original_max_position_embeddings": 64})),
    Case("llama-rope-linear", "Llama, linear rope scaling by 4",
         llama(rope_scaling={"rope_type": "linear", "factor": 4.0})),
    Case("llama-rope-yarn", "Llama, YaRN rope scaling by 16 from an original context of 32",
         llama(num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=512, rope_scaling={
             "rope_type": "yarn", "factor": 16.0, "original_max_position_embeddings": 32})),
    Case("llama-sharded", "Llama, safetensors in two shards with an index", llama(), gguf=False, shards=2),
    Case("llama-split", "Llama, GGUF in two files", llama(), safetensors=False, shards=2),
    Case("mistral", "Mistral, head_dim unlike hidden size / heads, no sliding window", mistral(sliding_window=None)),
    Case("mistral-sliding", "Mistral, sliding window of 32 positions on every layer (llama.cpp has no such case)",
         mistral(sliding_window=32), gguf=False),
    Case("qwen2-tied", "Qwen2, tied embeddings", qwen2(), **QWEN),
    Case("qwen3", "Qwen3, norms on q and k, head_dim unlike hidden size / heads", qwen3(), **QWEN),
    Case("gemma3", "Gemma 3 text: five sliding layers to one global, two rope bases, four norms per layer",
         gemma3(), **GEMMA),
    Case("gemma3-scaled", "Gemma 3 text: linear rope scaling on the global layers only, config in the "
                          "rope_parameters spelling of transformers 5",
         gemma3(num_hidden_layers=6, rope_theta=REMOVED, rope_local_base_freq=REMOVED, rope_parameters={
             "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
             "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}), **GEMMA),
    Case("gemma3-variant", "Gemma 3 text, what GGUF has no key for: explicit layer_types, query_pre_attn_scalar unlike "
                           "head_dim; and a final soft cap",
         gemma3(num_hidden_layers=4, sliding_window_pattern=REMOVED, query_pre_attn_scalar=24,
                layer_types=["sliding_attention", "full_attention"] * 2, final_logit_softcapping=15.0),
         gguf=False, **PLAIN),
    Case("phi3", "Phi-3, fused qkv and gate-up", phi3(tie_word_embeddings=False), **PLAIN),
    Case("phi3-longrope-long", "Phi-3, longrope, prompt already past the original context: long factors throughout",
         phi3(original_max_position_embeddings=32, rope_scaling=LONGROPE), **PLAIN),
    Case("phi3-longrope-short", "Phi-3, longrope, never past the original context: short factors throughout",
         phi3(original_max_position_embeddings=512, rope_scaling=LONGROPE), server_context=512, **PLAIN),
    Case("gemma2", "Gemma 2: capped scores and logits, every other layer sliding, four norms per layer",
         gemma2(), **GEMMA),
    Case("granite", "Granite 3: multipliers of embeddings, scores, residual stream and logits", granite(), **PLAIN),
    Case("olmo2", "OLMo 2: norms behind the blocks, and over all queries and keys of a token",
         olmo2(tie_word_embeddings=False), **PLAIN),
    Case("smollm3", "SmolLM 3: every fourth layer without positions", smollm3(), **PLAIN),
    Case("smollm3-layers", "SmolLM 3, what GGUF has no key for: a list of the layers without positions",
         smollm3(num_hidden_layers=3, no_rope_layers=[0, 1, 1]), gguf=False, **PLAIN),
    Case("qwen3-moe", "Qwen3 with experts, three of eight for each token",
         qwen3_moe(tie_word_embeddings=False), **QWEN),
    Case("qwen3-moe-mixed", "Qwen3 with experts, what GGUF has no key for: a layer without them, weights that do not "
                            "add up to one",
         qwen3_moe(norm_topk_prob=False, mlp_only_layers=[0]), gguf=False, **QWEN),
    Case("phi4-mini", "Phi-4 mini: three quarters of each head turn, longrope, tied embeddings",
         phi3(partial_rotary_factor=0.75, original_max_position_embeddings=32, rope_scaling={
             "type": "longrope", "short_factor": [1.0, 1.1, 1.25], "long_factor": [1.2, 2.5, 6.0]}), **PLAIN),
    Case("starcoder2", "StarCoder 2: layer norms, biases everywhere, a feed-forward network without a gate",
         starcoder2(), pre="starcoder", adds_bos=False, least_margin=8e-3),
    Case("starcoder2-sliding", "StarCoder 2, what GGUF has no key for: a sliding window; biases in norms only",
         starcoder2(sliding_window=32, use_bias=False, tie_word_embeddings=False), gguf=False,
         pre="starcoder", adds_bos=False),
    Case("gpt-oss", "gpt-oss: attention sinks, every other layer sliding, two of four experts with biases and a "
                    "clamped gate", gpt_oss(WHOLE_PAIRS), **HARMONY),
    Case("gpt-oss-yarn", "gpt-oss, YaRN whose blend ends between two pairs (llama.cpp rounds)",
         gpt_oss(150000.0), llama_cpp=False, **HARMONY),
    Case("gpt-oss-mxfp4", "gpt-oss, experts in MXFP4 as it was published", gpt_oss(WHOLE_PAIRS, intermediate_size=32),
         mxfp4=True, **HARMONY),
    Case("lfm2", "LFM2: short convolutions among attention layers", lfm2(), pre="lfm2"),
    Case("lfm2-variant", "LFM2, what llama.cpp does not know: convolutions of four with biases; attention layers by index",
         lfm2(conv_bias=True, conv_L_cache=4, layer_types=REMOVED, full_attn_idxs=[0, 2], tie_word_embeddings=False),
         gguf=False, pre="lfm2"),
]
