"""Writes the fuzzer's first replies: the recorded ones of shared/reference/templates, one a file, with the family's number in front.

    python3 fuzz/chat_corpus.py ../shared/reference/templates/tool_outputs.json src/chat/family.cpp fuzz/corpus/chat
"""
import json
import re
import sys

FAMILY = {"Qwen3.5": "Qwen35", "NVIDIA-Nemotron-3": "Nemotron3", "NVIDIA-Nemotron-Nano-v2": "Nemotron2", "Qwen-Qwen3": "Qwen3",
          "Qwen-Qwen2.5": "Qwen25", "ibm-granite-granite-4": "Granite4", "google-gemma-4": "Gemma4", "mistralai-Ministral": "Ministral",
          "Mistral-Small": "MistralSmall", "mistralai-Mistral-Nemo": "MistralNemo", "meta-llama": "Llama3", "LFM2": "Lfm2",
          "openai": "GptOss", "GLM": "Glm"}
outputs, source, folder = sys.argv[1:]
order = re.findall(r"&k(\w+)", open(source).read())
for case in json.load(open(outputs))["cases"]:
    family = next(name for prefix, name in FAMILY.items() if case["template"].startswith(prefix))
    text = case["output"].replace("get_weather", "f").replace("now", "g").replace("city", "s").replace("days", "n")
    with open(f"{folder}/{case['name']}", "wb") as file:
        file.write(bytes([order.index(family)]) + text.encode())
