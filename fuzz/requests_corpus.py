"""Writes the fuzzer's first requests: what the tests refuse, and a body of every dialect that uses all of its fields.

    python3 fuzz/requests_corpus.py tests/data/server fuzz/corpus/requests
"""
import json
import re
import sys

source, folder = sys.argv[1:]


def write(letter, name, body):
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    with open(f"{folder}/{letter}-{re.sub('[^a-z0-9]+', '-', name.lower())}", "w", encoding="utf-8") as file:
        file.write(letter + text)


schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
sampling = {"temperature": 0.5, "top_p": 0.9, "top_k": 20, "min_p": 0.05, "seed": 7, "repeat_penalty": 1.1, "dry_multiplier": 0.8,
            "dry_sequence_breakers": ["\n"], "xtc_probability": 0.1, "ignore_eos": False, "colour": "red"}
function = {"name": "weather", "description": "of a city", "parameters": schema}
call = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": \"Oslo\"}"}}
write("c", "everything", {**sampling, "model": "m", "stream": True, "stream_options": {"include_usage": True}, "max_completion_tokens": 9,
      "max_tokens": 8, "n": 2, "logprobs": True, "top_logprobs": 3, "logit_bias": {"5": -100}, "stop": ["a", "b"], "reasoning_effort": "low",
      "chat_template_kwargs": {"x": 1}, "thinking_budget": 10, "parallel_tool_calls": False, "tool_choice": "auto", "overflow": "middle",
      "tools": [{"type": "function", "function": function}], "messages": [
          {"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "hi"}]},
          {"role": "assistant", "content": None, "reasoning": "hm", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "a", "content": "11"},
          {"role": "user", "content": "and now?"}]})
write("c", "goes on", {"continue_final_message": True, "add_generation_prompt": False, "modalities": ["text"], "store": True,
      "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "So"}]})
for name, form in {"object": {"response_format": {"type": "json_object", "schema": schema}}, "schema": {"response_format": {"type":
                   "json_schema", "json_schema": {"name": "n", "schema": schema}}}, "choice": {"guided_choice": ["a", "b"]},
                   "outputs": {"structured_outputs": {"regex": "a+"}}, "grammar": {"grammar": "root ::= \"a\""}}.items():
    write("c", "form " + name, {"messages": [{"role": "user", "content": "hi"}], **form})
write("t", "everything", {**sampling, "model": "m", "prompt": ["a", [1, 2]], "max_tokens": 3, "n": 2, "best_of": 2, "logprobs": 2,
                          "stop": "x", "stream": False, "suffix": ""})
write("t", "echo", {"prompt": [1, 2, 3], "echo": True, "stream": True, "stream_options": {"include_usage": False}})
write("t", "nothing", {"prompt": []})
keep = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
write("m", "everything", {**sampling, **keep, "model": "m", "max_tokens": 20, "stream": True, "stop_sequences": ["="], "metadata": {"user_id": "u"},
      "service_tier": "auto", "system": [{"type": "text", "text": "Be brief.", **keep}, {"type": "text", "text": "Be kind."}],
      "thinking": {"type": "enabled", "budget_tokens": 10, "display": "omitted"}, "output_config": {"effort": "max"},
      "tools": [{"name": "weather", "description": "of a city", "input_schema": schema, "strict": True, **keep}],
      "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}, "messages": [
          {"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b", **keep}]},
          {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "unsigned"}, {"type": "redacted_thinking", "data": "x"},
              {"type": "text", "text": "Let me see."}, {"type": "tool_use", "id": "toolu_a", "name": "weather", "input": {"city": "Oslo"}},
              {"type": "tool_use", "id": "toolu_b", "name": "weather", "input": {}}]},
          {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_b", "is_error": True, "content": "no city"},
              {"type": "tool_result", "tool_use_id": "toolu_a", "content": [{"type": "text", "text": "11"}, {"type": "text", "text": "rain"}]},
              {"type": "text", "text": "and now?"}]},
          {"role": "assistant", "content": "So"}]})
write("m", "form", {"max_tokens": 9, "output_config": {"format": {"type": "json_schema", "schema": schema}}, "thinking": {"type": "adaptive"},
                    "messages": [{"role": "user", "content": "hi"}, {"role": "system", "content": "now in French"}]})
for letter, file in (("c", "chat_errors.jsonl"), ("m", "anthropic_errors.jsonl")):
    for line in open(f"{source}/{file}", encoding="utf-8"):
        case = json.loads(line)
        write(letter, case["name"], case["body"])
