#!/usr/bin/env python3
"""Writes the first inputs of fuzz_safetensors and fuzz_hf_config below fuzz/corpus."""
import json, os, struct

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def put(target, name, data):
    os.makedirs(os.path.join(here, target), exist_ok=True)
    with open(os.path.join(here, target, name), "wb") as out:
        out.write(data)


def file(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


put("safetensors", "empty", file({}))
put("safetensors", "one", file({"a": tensor("F32", [2], 0, 8)}, bytes(8)))
put("safetensors", "notes", file({"__metadata__": {"format": "pt"}, "a": tensor("U8", [1], 0, 1)}, b"x"))
put("safetensors", "scalar", file({"a": tensor("F64", [], 0, 8)}, bytes(8)))
put("safetensors", "two", file({"b": tensor("BF16", [2, 3], 2, 14), "a": tensor("I8", [2], 0, 2)}, bytes(14)))
put("safetensors", "packed", file({"a": tensor("F4", [4, 2], 0, 4), "b": tensor("F6_E2M3", [4], 4, 7)}, bytes(7)))
put("safetensors", "nothing", file({"a": tensor("F32", [0, 7], 0, 0)}))
put("safetensors", "overlap", file({"a": tensor("U8", [2], 0, 2), "b": tensor("U8", [2], 1, 3)}, bytes(3)))
put("safetensors", "hole", file({"a": tensor("U8", [1], 1, 2)}, bytes(2)))
put("safetensors", "huge-shape", file({"a": tensor("F32", [2**62, 2**62], 0, 4)}, bytes(4)))
put("safetensors", "huge-header", file({}, length=2**63))
put("safetensors", "short", b"1234567")
put("safetensors", "escapes", file(b'{"\\u0061\\"\\\\":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}', b"x"))
put("safetensors", "twice", file(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', b"xy"))
put("safetensors", "nested", file(b'{"a":' + b'{"x":' * 50 + b"1" + b"}" * 50 + b"}"))
put("safetensors", "open-string", file(b'{"a'))

config = {
    "model_type": "llama", "num_hidden_layers": 1, "hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "tie_word_embeddings": True,
}
bpe = {
    "added_tokens": [{"id": 5, "content": "<s>", "special": True}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4}, "merges": ["a b", ["ab", "c"]]},
}
pieces = {
    "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
    "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": True, "merges": ["a b"],
              "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3, "<0x0A>": 4}},
}
words = {"normalizer": {"type": "BertNormalizer", "lowercase": True},
         "model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "a": 1, "##b": 2}}}
unigram = {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", -1.5], ["b", -2]]},
           "normalizer": {"type": "Sequence", "normalizers": [{"type": "Precompiled", "precompiled_charsmap": "AAAA"}]},
           "post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "a"}}]}}


def pair(a, b):
    return json.dumps(a).encode() + b"\0" + json.dumps(b).encode()


put("hf_config", "llama-bpe", pair(config, bpe))
put("hf_config", "llama-pieces", pair(config, pieces))
put("hf_config", "llama-words", pair(config, words))
put("hf_config", "llama-unigram", pair(config, unigram))
for name, change in {
    "linear": {"rope_scaling": {"rope_type": "linear", "factor": 2}},
    "llama3": {"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
                                "original_max_position_embeddings": 64}},
    "heads": {"num_attention_heads": 3}, "zero": {"hidden_size": 0}, "text": {"hidden_size": "8"}, "null": {"hidden_size": None},
    "part": {"text_config": config}, "stray": {"num_local_experts": 2},
}.items():
    put("hf_config", name, pair({**config, **change}, bpe))
for kind, more in {
    "qwen3": {"head_dim": 4}, "qwen3_moe": {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 4},
    "qwen3_5": {"linear_num_key_heads": 1, "linear_num_value_heads": 2, "linear_key_head_dim": 4, "linear_value_head_dim": 4,
                "linear_conv_kernel_dim": 4, "layer_types": ["full_attention"]},
    "gemma3_text": {"layer_types": ["sliding_attention"]}, "gemma4_text": {"layer_types": ["sliding_attention"], "sliding_window": 4},
    "phi3": {"rope_scaling": {"type": "longrope", "long_factor": [1, 1], "short_factor": [1, 1]},
             "original_max_position_embeddings": 8},
    "lfm2": {"layer_types": ["conv"], "conv_L_cache": 3},
    "nemotron_h": {"hybrid_override_pattern": "M*-E", "mamba_num_heads": 2, "mamba_head_dim": 2, "n_groups": 1,
                   "ssm_state_size": 4, "conv_kernel": 4},
    "gpt_oss": {"num_local_experts": 2, "num_experts_per_tok": 1},
    "llama4_text": {"num_local_experts": 2, "num_experts_per_tok": 1, "intermediate_size_mlp": 16},
    "mistral4": {"qk_nope_head_dim": 4, "qk_rope_head_dim": 4, "v_head_dim": 4, "kv_lora_rank": 4, "n_routed_experts": 2,
                 "num_experts_per_tok": 1, "moe_intermediate_size": 4},
    "ministral3": {"rope_parameters": {"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 16}},
    "smollm3": {"no_rope_layers": [1]},
}.items():
    put("hf_config", kind, pair({**config, "model_type": kind, **more}, bpe))
sizes = {"BF16": 2, "F16": 2, "F32": 4, "I32": 4, "I64": 8, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1}
plain = {
    "embed_tokens.weight": ("BF16", [6, 64]), "norm.weight": ("BF16", [64]), "layers.0.input_layernorm.weight": ("BF16", [64]),
    "layers.0.post_attention_layernorm.weight": ("BF16", [64]), "layers.0.self_attn.q_proj.weight": ("BF16", [64, 64]),
    "layers.0.self_attn.k_proj.weight": ("BF16", [32, 64]), "layers.0.self_attn.v_proj.weight": ("BF16", [32, 64]),
    "layers.0.self_attn.o_proj.weight": ("BF16", [64, 64]), "layers.0.mlp.up_proj.weight": ("BF16", [32, 64]),
    "layers.0.mlp.gate_proj.weight": ("BF16", [32, 64]), "layers.0.mlp.down_proj.weight": ("BF16", [64, 32]),
}


def weights(parts):
    header, at = {}, 0
    names = {**plain}
    for stem in ("layers.0.self_attn.q_proj.", "layers.0.mlp.up_proj."):
        del names[stem + "weight"]
        rows = 64 if "q_proj" in stem else 32
        for name, (dtype, shape) in parts(rows, 64).items():
            names[stem + name] = (dtype, shape)
    for name, (dtype, shape) in names.items():
        size = sizes[dtype]
        for n in shape:
            size *= n
        header["model." + name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    return json.dumps(header, separators=(",", ":")).encode()


wide = {**config, "hidden_size": 64, "intermediate_size": 32}
for name, settings, parts in [
    ("fp8", {"quant_method": "fp8", "weight_block_size": [24, 40]},
     lambda o, i: {"weight": ("F8_E4M3", [o, i]), "weight_scale_inv": ("F32", [-(-o // 24), 2])}),
    ("fp8-rows", {"quant_method": "compressed-tensors", "format": "float-quantized"},
     lambda o, i: {"weight": ("F8_E5M2", [o, i]), "weight_scale": ("BF16", [o, 1])}),
    ("fp8-own", {"quant_method": "fp8"}, lambda o, i: {"weight": ("F8_E4M3", [o, i]), "qscale_weight": ("BF16", [])}),
    ("int8", {"quant_method": "compressed-tensors", "format": "int-quantized"},
     lambda o, i: {"weight": ("I8", [o, i]), "weight_scale": ("F32", [o, 4]), "weight_zero_point": ("I8", [o, 4])}),
    ("gptq", {"quant_method": "gptq", "bits": 4, "group_size": 16},
     lambda o, i: {"qweight": ("I32", [i // 8, o]), "qzeros": ("I32", [4, o // 8]), "scales": ("F16", [4, o])}),
    ("gptq-3", {"quant_method": "gptq", "bits": 3, "checkpoint_format": "gptq_v2"},
     lambda o, i: {"qweight": ("I32", [i * 3 // 32, o]), "qzeros": ("I32", [1, o * 3 // 32]), "scales": ("F16", [1, o])}),
    ("awq", {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm"},
     lambda o, i: {"qweight": ("I32", [i, o // 8]), "qzeros": ("I32", [2, o // 8]), "scales": ("F16", [2, o])}),
    ("nvfp4", {"quant_method": "modelopt", "quant_algo": "NVFP4"},
     lambda o, i: {"weight": ("U8", [o, i // 2]), "weight_scale": ("F8_E4M3", [o, i // 16]), "weight_scale_2": ("F32", [])}),
    ("nvfp4-packed", {"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"},
     lambda o, i: {"weight_packed": ("U8", [o, i // 2]), "weight_scale": ("F8_E4M3", [o, i // 16]),
                   "weight_global_scale": ("F32", [1])}),
]:
    put("hf_config", "parts-" + name, pair({**wide, "quantization_config": settings}, bpe) + b"\0" + weights(parts))
# Zeros of the pattern in the data decide about these: sizes that a tensor holds, groups of columns.
put("hf_config", "parts-w4", pair({**wide, "quantization_config": {"quant_method": "compressed-tensors", "format": "pack-quantized"}}, bpe)
    + b"\0" + weights(lambda o, i: {"weight_packed": ("I32", [o, i // 8]), "weight_shape": ("I64", [2]),
                                    "weight_scale": ("BF16", [o, 2]), "weight_zero_point": ("I32", [o // 8, 2])}))
put("hf_config", "parts-g-idx", pair({**wide, "quantization_config": {"quant_method": "gptq", "bits": 4}}, bpe)
    + b"\0" + weights(lambda o, i: {"qweight": ("I32", [i // 8, o]), "qzeros": ("I32", [4, o // 8]),
                                    "scales": ("F16", [4, o]), "g_idx": ("I32", [i])}))
put("hf_config", "refused-by-name", pair({**wide, "quantization_config": {"quant_method": "hqq"}}, bpe))
put("hf_config", "garbage", b"{\0{")
put("hf_config", "no-tokenizer", json.dumps(config).encode())
