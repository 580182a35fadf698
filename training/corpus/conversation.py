"""Conversations and how they become text: the form of `hearth run` (plain ChatML) and that of Qwen 3.5's chat template."""
import json
from dataclasses import dataclass, field

from draw import is_held

PROMPT_WEIGHT = 0.1  # enough that the perplexity of plain text means something
ANSWER_WEIGHT = 1.0

TOOL_RULES = """

If you choose to call a function ONLY reply in the following format with NO suffix:

<tool_call>
<function=example_function_name>
<parameter=example_parameter_1>
value_1
</parameter>
<parameter=example_parameter_2>
This is the value for the second parameter
that can span
multiple lines
</parameter>
</function>
</tool_call>

<IMPORTANT>
Reminder:
- Function calls MUST follow the specified format: an inner <function=...></function> block must be nested within \
<tool_call></tool_call> XML tags
- Required parameters MUST be specified
- You may provide optional reasoning for your function call in natural language BEFORE the function call, but NOT after
- If there is no function call available, answer the question like normal with your current knowledge and do not tell \
the user about function calls
</IMPORTANT>"""


def user(text):
    return {"role": "user", "content": text}


def assistant(text, thought=""):
    return {"role": "assistant", "content": text, "reasoning_content": thought}


def calls(requests, thought=""):
    """An assistant's turn that calls tools: [(name, arguments), ...]."""
    made = [{"type": "function", "function": {"name": name, "arguments": arguments}} for name, arguments in requests]
    return {"role": "assistant", "content": "", "reasoning_content": thought, "tool_calls": made}


def tool_result(text):
    return {"role": "tool", "content": text}


@dataclass
class Sample:
    """What a task makes: a conversation that ends with an answer, and how to score one of its answers."""
    task: str
    key: tuple                # decides the side of the split together with the slots that were drawn
    messages: list = field(default_factory=list)
    tools: list = None
    match: str = "exact"      # exact, json, tool_call, contains
    expected: str = None      # the answer's text when nothing else is said
    target: int = -1          # which message is scored
    raw: list = None          # parts of a text without chat form: [[text, weight], ...]
    prompt: str = None        # of such a text: where it is to be continued
    thinks: float = 0.1       # how often the answer is thought about first
    is_common: bool = False   # what everybody asks first stays in training, whatever its key

    def belongs(self, held):
        return self.key is None or (is_held(*self.key) and not self.is_common) == held


def question(task, key, text, answer, thought="", **more):
    return Sample(task, key, [user(text), assistant(answer, thought)], **more)


def last_query(messages):
    return max(i for i, message in enumerate(messages) if message["role"] == "user")


def python_text(value):
    """How the template prints a value: texts as they are, lists and objects as JSON, the rest as Python does."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def call_text(message):
    parts = []
    for call in message.get("tool_calls") or []:
        function = call["function"]
        text = "<tool_call>\n<function=" + function["name"] + ">\n"
        for name, value in function["arguments"].items():
            text += "<parameter=" + name + ">\n" + python_text(value) + "\n</parameter>\n"
        parts.append(text + "</function>\n</tool_call>")
    before = "\n\n" if parts and message["content"].strip() else ""
    return before + "\n".join(parts)


def render_plain(messages, generate=False):
    parts = []
    for message in messages:
        head = "<|im_start|>" + message["role"] + "\n"
        if message["role"] == "assistant":
            parts += [[head, PROMPT_WEIGHT], [message["content"] + "<|im_end|>", ANSWER_WEIGHT], ["\n", PROMPT_WEIGHT]]
        else:
            parts.append([head + message["content"] + "<|im_end|>\n", PROMPT_WEIGHT])
    if generate:
        parts.append(["<|im_start|>assistant\n", PROMPT_WEIGHT])
    return parts


def render_template(messages, tools=None, thinking=False, generate=False):
    parts = []
    start = 0
    system = messages[0]["content"].strip() if messages[0]["role"] == "system" else None
    if system is not None:
        start = 1
    if tools:
        text = "<|im_start|>system\n# Tools\n\nYou have access to the following functions:\n\n<tools>"
        text += "".join("\n" + json.dumps(tool, ensure_ascii=False) for tool in tools) + "\n</tools>" + TOOL_RULES
        if system:
            text += "\n\n" + system
        parts.append([text + "<|im_end|>\n", PROMPT_WEIGHT])
    elif system is not None:
        parts.append(["<|im_start|>system\n" + system + "<|im_end|>\n", PROMPT_WEIGHT])
    query = last_query(messages)
    for index in range(start, len(messages)):
        message = messages[index]
        role, content = message["role"], message["content"].strip()
        if role == "user":
            parts.append(["<|im_start|>user\n" + content + "<|im_end|>\n", PROMPT_WEIGHT])
        elif role == "assistant":
            parts.append(["<|im_start|>assistant\n", PROMPT_WEIGHT])
            answer = content + call_text(message)
            if index > query:
                thought = message.get("reasoning_content", "").strip() if thinking else ""
                # The prompt brings these, the model never has to write them.
                parts.append(["<think>\n" if thinking else "<think>\n\n</think>\n\n", 0.0])
                if thinking:
                    answer = thought + "\n</think>\n\n" + answer
            parts += [[answer + "<|im_end|>", ANSWER_WEIGHT], ["\n", PROMPT_WEIGHT]]
        elif role == "tool":
            text = "" if messages[index - 1]["role"] == "tool" else "<|im_start|>user"
            text += "\n<tool_response>\n" + content + "\n</tool_response>"
            if index + 1 == len(messages) or messages[index + 1]["role"] != "tool":
                text += "<|im_end|>\n"
            parts.append([text, PROMPT_WEIGHT])
    if generate:
        parts.append(["<|im_start|>assistant\n", PROMPT_WEIGHT])
        parts.append(["<think>\n" if thinking else "<think>\n\n</think>\n\n", 0.0])
    return parts


def joined(parts):
    """Neighbours of the same weight as one part."""
    out = []
    for text, weight in parts:
        if out and out[-1][1] == weight:
            out[-1][0] += text
        else:
            out.append([text, weight])
    return out


def text_of(parts):
    return "".join(text for text, _ in parts)
