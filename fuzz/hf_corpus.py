#!/usr/bin/env python3
"""Writes the first inputs of fuzz_safetensors, fuzz_hf_config and fuzz_hf_directory below fuzz/corpus."""
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


# Whole directories: the letters are those of kFiles in hf_check.cpp.
def header(shapes, prefix="", dtype="F32"):
    described, at = {}, 0
    for name, shape in shapes.items():
        size = sizes[dtype]
        for n in shape:
            size *= n
        described[prefix + name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    return json.dumps(described, separators=(",", ":")).encode()


def directory(**files):
    pieces = []
    for letter, content in files.items():
        text = content if isinstance(content, bytes) else content.encode() if isinstance(content, str) else json.dumps(content).encode()
        pieces.append(letter.encode() + text)
    return b"\0".join(pieces)


def both(name, out, width=None):
    return {name + ".weight": [out] if width is None else [out, width], name + ".bias": [out]}


bert = {"model_type": "bert", "num_hidden_layers": 1, "hidden_size": 4, "num_attention_heads": 2, "intermediate_size": 8,
        "max_position_embeddings": 16, "type_vocab_size": 2, "architectures": ["BertModel"]}
layer = "encoder.layer.0."
bert_shapes = {
    "embeddings.word_embeddings.weight": [7, 4], "embeddings.token_type_embeddings.weight": [2, 4],
    "embeddings.position_embeddings.weight": [16, 4], **both("embeddings.LayerNorm", 4),
    **both(layer + "attention.self.query", 4, 4), **both(layer + "attention.self.key", 4, 4), **both(layer + "attention.self.value", 4, 4),
    **both(layer + "attention.output.dense", 4, 4), **both(layer + "attention.output.LayerNorm", 4),
    **both(layer + "intermediate.dense", 8, 4), **both(layer + "output.dense", 4, 8), **both(layer + "output.LayerNorm", 4),
}
vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n"
modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
           {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
           {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]
mean = {"word_embedding_dimension": 4, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
roles = {"do_lower_case": True, "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]", "pad_token": "[PAD]"}
put("hf_directory", "bert", directory(c=bert, v=vocab, T=roles, m=modules, P=mean, w=header(bert_shapes)))
put("hf_directory", "bert-two-ways", directory(c=bert, v=vocab, m=modules, P={**mean, "pooling_mode_cls_token": True}, w=header(bert_shapes)))
put("hf_directory", "bert-way-out", directory(c=bert, v=vocab, m=[{"path": "../..", "type": "x.Pooling"}], w=header(bert_shapes)))
put("hf_directory", "bert-dense", directory(
    c=bert, v=vocab, m=modules + [{"path": "2_Dense", "type": "x.Dense"}], P=mean,
    D={"in_features": 4, "out_features": 8, "bias": False, "activation_function": "torch.nn.modules.linear.Identity"},
    d=header({"linear.weight": [8, 4]}), w=header(bert_shapes)))
ranker = {**both("classifier.dense", 4, 4), **both("classifier.out_proj", 1, 4)}
put("hf_directory", "roberta-ranker", directory(
    c={**bert, "model_type": "xlm-roberta", "pad_token_id": 1, "architectures": ["XLMRobertaForSequenceClassification"]}, v=vocab,
    w=header({**bert_shapes, **ranker})))
nomic = {"model_type": "nomic_bert", "n_layer": 1, "n_embd": 4, "n_head": 2, "n_inner": 8, "n_positions": 16, "rotary_emb_base": 1000}
part = "encoder.layers.0."
put("hf_directory", "nomic", directory(c=nomic, v=vocab, m=modules, P=mean, w=header({
    "embeddings.word_embeddings.weight": [7, 4], "embeddings.token_type_embeddings.weight": [2, 4], **both("emb_ln", 4),
    part + "attn.Wqkv.weight": [12, 4], part + "attn.out_proj.weight": [4, 4], part + "mlp.fc11.weight": [8, 4],
    part + "mlp.fc12.weight": [8, 4], part + "mlp.fc2.weight": [4, 8], **both(part + "norm1", 4), **both(part + "norm2", 4)})))
params = {"dim": 8, "n_layers": 1, "head_dim": 4, "hidden_dim": 16, "n_heads": 2, "n_kv_heads": 1, "norm_eps": 1e-5,
          "rope_theta": 10000.0, "max_seq_len": 64, "tied_embeddings": True}
own = {
    "tok_embeddings.weight": [8, 8], "norm.weight": [8], "layers.0.attention_norm.weight": [8], "layers.0.ffn_norm.weight": [8],
    "layers.0.attention.wq.weight": [8, 8], "layers.0.attention.wk.weight": [4, 8], "layers.0.attention.wv.weight": [4, 8],
    "layers.0.attention.wo.weight": [8, 8], "layers.0.feed_forward.w1.weight": [16, 8], "layers.0.feed_forward.w2.weight": [8, 16],
    "layers.0.feed_forward.w3.weight": [16, 8],
}
tekken = {"config": {"default_vocab_size": 8, "default_num_special_tokens": 3, "pattern": "x", "version": "v3"},
          "vocab": [{"rank": i, "token_bytes": t, "token_str": None} for i, t in enumerate(["YQ==", "Yg==", "Yw==", "YWI=", "YWJj"])],
          "special_tokens": [{"rank": 0, "token_str": "<unk>", "is_control": True}, {"rank": 1, "token_str": "<s>", "is_control": True},
                             {"rank": 2, "token_str": "</s>", "is_control": True}]}
put("hf_directory", "mistral", directory(p=params, k=tekken, W=header(own, dtype="BF16")))
yarn = {"yarn": {"factor": 4, "original_max_position_embeddings": 16, "apply_scale": False, "beta": 32, "alpha": 1},
        "llama_4_scaling": {"beta": 0.1, "original_max_position_embeddings": 16}}
put("hf_directory", "mistral-long", directory(p={**params, **yarn}, k=tekken, W=header(own, dtype="BF16")))
put("hf_directory", "mistral-holes", directory(p=params, k={**tekken, "vocab": tekken["vocab"][1:]}, W=header(own, dtype="BF16")))
put("hf_directory", "mistral-base64", directory(p=params, k={**tekken, "vocab": [{"rank": 0, "token_bytes": "*"}]}, W=header(own, dtype="BF16")))
put("hf_directory", "mistral-sizes", directory(p=params, k={**tekken, "config": {"default_vocab_size": -1, "default_num_special_tokens": 2}}, W=header(own)))
put("hf_directory", "llama", directory(c=config, t=bpe, T={"bos_token": "<s>", "chat_template": "{{ x }}"}, g={"temperature": 0.5, "top_k": 3, "eos_token_id": [5]}))
put("hf_directory", "llama-template", directory(c=config, t=bpe, j="{{ messages }}", T={"eos_token": {"content": "<s>"}}, g={"top_p": "x"}))
put("hf_directory", "llama-words", directory(c=config, v=vocab))
put("hf_directory", "sentencepiece", directory(c=config, s=b"\x0a\x08\x0a\x01a\x15\x01\x01\x80\xbf"))
