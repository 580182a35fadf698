#!/usr/bin/env python3
"""Writes a checkpoint of train.py as a model directory in the form that Qwen 3.5 is published in."""
import argparse
import json
import os
import shutil
import struct
import sys

import torch

import model
from model import HEAD, TAPS


def load(path):
    """The shape and the parameters by name."""
    saved = torch.load(path, map_location="cpu")
    shape = model.Shape(**saved["shape"])
    values, at = {}, 0
    for p in model.parameters(shape):
        count = torch.Size(p.shape).numel()
        values[p.name] = saved["flat"][at:at + count].view(p.shape).clone()
        at += count
    return shape, values, saved


def published(shape, values):
    out = {"model.embed_tokens.weight": values["embedding"], "model.norm.weight": values["norm"], "mtp.fc.weight": values["mtp.fc"],
           "mtp.pre_fc_norm_embedding.weight": values["mtp.embedding_norm"], "mtp.pre_fc_norm_hidden.weight": values["mtp.hidden_norm"], "mtp.norm.weight": values["mtp.norm"]}
    layers = [(f"layers.{number}.", f"model.layers.{number}.", shape.attends(number)) for number in range(shape.layers)]
    for ours, theirs, attends in layers + [("mtp.", "mtp.layers.0.", True)]:
        w = lambda name: values[ours + name]
        out[theirs + "input_layernorm.weight"] = w("mixer_norm")
        out[theirs + "post_attention_layernorm.weight"] = w("mlp_norm")
        out[theirs + "mlp.gate_proj.weight"], out[theirs + "mlp.up_proj.weight"] = w("gate_up").chunk(2)
        out[theirs + "mlp.down_proj.weight"] = w("down")
        if attends:
            at = theirs + "self_attn."
            heights = [2 * shape.heads * HEAD, shape.kv_heads * HEAD, shape.kv_heads * HEAD]
            out[at + "q_proj.weight"], out[at + "k_proj.weight"], out[at + "v_proj.weight"] = w("in").split(heights)
            out[at + "o_proj.weight"], out[at + "q_norm.weight"], out[at + "k_norm.weight"] = w("out"), w("q_norm"), w("k_norm")
        else:
            at = theirs + "linear_attn."
            heights = [shape.conv(), shape.value_heads * HEAD, shape.value_heads, shape.value_heads]
            parts = w("in").split(heights)
            for name, part in zip(("in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a"), parts):
                out[f"{at}{name}.weight"] = part
            out[at + "conv1d.weight"] = w("taps").T.reshape(shape.conv(), 1, TAPS)
            out[at + "A_log"], out[at + "dt_bias"], out[at + "norm.weight"], out[at + "out_proj.weight"] = w("a_log"), w("dt_bias"), w("delta_norm"), w("out")
    return out


def config(shape, eos, dtype):
    return {
        "architectures": ["Qwen3_5ForCausalLM"], "model_type": "qwen3_5_text", "vocab_size": shape.vocabulary, "hidden_size": shape.hidden,
        "intermediate_size": shape.mlp, "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads, "head_dim": HEAD,
        "hidden_act": "silu", "rms_norm_eps": model.EPS, "max_position_embeddings": shape.context, "tie_word_embeddings": True, "attention_bias": False,
        "attn_output_gate": True, "full_attention_interval": shape.interval, "layer_types": ["full_attention" if shape.attends(i) else "linear_attention" for i in range(shape.layers)],
        "linear_conv_kernel_dim": TAPS, "linear_key_head_dim": HEAD, "linear_value_head_dim": HEAD, "linear_num_key_heads": shape.key_heads,
        "linear_num_value_heads": shape.value_heads, "mtp_num_hidden_layers": 1, "mtp_use_dedicated_embeddings": False,
        # Three axes of positions share a head's eight rotated pairs; for text they are all the same.
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_base, "partial_rotary_factor": model.ROTATED / HEAD, "mrope_interleaved": True, "mrope_section": [3, 3, 2]},
        "eos_token_id": eos, "dtype": dtype}


def write_safetensors(path, tensors, dtype):
    kinds = {"F32": (torch.float32, 4), "BF16": (torch.bfloat16, 2)}
    header, at, parts = {"__metadata__": {"format": "pt"}}, 0, []
    for name in sorted(tensors):
        kind = "F32" if name.endswith(("A_log", "linear_attn.norm.weight")) else dtype
        value = tensors[name].to(kinds[kind][0]).contiguous()
        data = value.view(torch.int16).numpy().tobytes() if kind == "BF16" else value.numpy().tobytes()
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for data in parts:
            file.write(data)
    os.replace(path + ".part", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--tokenizer", required=True, help="directory that tokenizer.py wrote")
    parser.add_argument("--out", required=True, help="directory to write")
    parser.add_argument("--dtype", choices=["F32", "BF16"], default="F32")
    options = parser.parse_args()
    if not os.path.exists(options.checkpoint):
        sys.exit(f"{options.checkpoint} is not there: train first")
    shape, values, _ = load(options.checkpoint)
    os.makedirs(options.out, exist_ok=True)
    for name in os.listdir(options.tokenizer):
        shutil.copy(os.path.join(options.tokenizer, name), os.path.join(options.out, name))
    with open(os.path.join(options.tokenizer, "generation_config.json"), encoding="utf-8") as file:
        eos = json.load(file)["eos_token_id"][0]
    with open(os.path.join(options.out, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config(shape, eos, {"F32": "float32", "BF16": "bfloat16"}[options.dtype]), file, indent=1)
    write_safetensors(os.path.join(options.out, "model.safetensors"), published(shape, values), options.dtype)


if __name__ == "__main__":
    main()
