"""Sums up to two digits: directly, thought out in columns, and as bare lines. Pairs of numbers are held out, the times
table is not (it is knowledge; there, wordings are held out)."""
from conversation import Sample, question
from draw import is_held

ASK = ["What is {}?", "{}", "{} = ?", "Calculate {}.", "How much is {}?", "What's {}?", "Compute {}.", "Please work out {}.", "{} =",
       "Can you tell me what {} is?", "Solve {}.", "Tell me {}.", "I need the result of {}."]
SPOKEN = {"+": ["{} + {}", "{} + {}", "{}+{}", "{} plus {}"], "-": ["{} - {}", "{} - {}", "{}-{}", "{} minus {}"],
          "*": ["{} * {}", "{} x {}", "{}*{}", "{} times {}"]}
STORIES = {
    "+": ["{n} has {a} {t} and gets {b} more. How many {t} does {n} have now?",
          "There are {a} {t} in one box and {b} in another. How many {t} are there in all?"],
    "-": ["{n} has {a} {t} and gives away {b}. How many {t} are left?",
          "There are {a} {t} in a box. {n} takes {b} out. How many {t} are left?"]}
COUNTED = ["apples", "coins", "books", "marbles", "stamps", "cards", "eggs", "pens", "shells", "nuts"]


def result(a, sign, b):
    return a + b if sign == "+" else a - b if sign == "-" else a * b


def is_known(a, sign, b):
    """The times table up to ten times ten."""
    return sign == "*" and a <= 10 and b <= 10


def thought(a, sign, b):
    end = f"So {a} {sign} {b} = {result(a, sign, b)}."
    if sign == "+":
        ones = a % 10 + b % 10
        carry = ones // 10
        if a < 10 and b < 10:
            return f"{a} + {b} = {a + b}."
        first = f"Ones: {a % 10} + {b % 10} = {ones}" + (f", write {ones - 10}, carry 1." if carry else ".")
        tens = f"Tens: {a // 10} + {b // 10}" + (" + 1" if carry else "") + f" = {a // 10 + b // 10 + carry}."
        return "\n".join([first, tens, end])
    if sign == "-":
        if a < b:
            return f"{a} is less than {b}.\n" + thought(b, sign, a) + "\n" + end
        if a < 10:
            return f"{a} - {b} = {a - b}."
        borrow = a % 10 < b % 10
        if borrow:
            first = f"Ones: {a % 10} is less than {b % 10}, borrow 1. {a % 10 + 10} - {b % 10} = {a % 10 + 10 - b % 10}."
        else:
            first = f"Ones: {a % 10} - {b % 10} = {a % 10 - b % 10}."
        tens = f"Tens: {a // 10}" + (" - 1" if borrow else "") + f" - {b // 10} = {a // 10 - borrow - b // 10}."
        return "\n".join([first, tens, end])
    if is_known(a, sign, b):
        return f"{a} * {b} = {a * b}."
    tens, ones = a // 10 * 10, a % 10
    return f"{a} = {tens} + {ones}.\n{tens} * {b} = {tens * b}.\n{ones} * {b} = {ones * b}.\n{tens * b} + {ones * b} = {a * b}.\n" + end


def numbers(draw, sign, direct):
    """Two numbers of this side of the split."""
    while True:
        if sign == "*":
            a, b = (draw.number(0, 10), draw.number(0, 10)) if direct or draw.chance(0.4) else (draw.number(11, 99), draw.number(2, 9))
        else:
            high_a, high_b = draw.choice([(9, 9), (99, 9), (99, 99), (99, 99), (99, 99)])
            a, b = draw.number(0, high_a), draw.number(0, high_b)
            if sign == "+" and draw.chance(0.3):
                a, b = b, a
            if sign == "-" and a < b and not draw.chance(0.15):
                a, b = b, a
        if is_known(a, sign, b) or (a < 10 and b < 10) or is_held("sum", a, sign, b) == draw.held:
            return a, b


def pick_sign(draw):
    return draw.choice("+++--*" if draw.chance(0.8) else "+-*")


def make(draw):
    sign = pick_sign(draw)
    a, b = numbers(draw, sign, direct=True)
    return ask(draw, sign, a, b, "arithmetic", thinks=0.0)


def make_thought(draw):
    sign = pick_sign(draw)
    a, b = numbers(draw, sign, direct=False)
    return ask(draw, sign, a, b, "arithmetic_thinking", thinks=1.0)


def ask(draw, sign, a, b, task, thinks):
    spoken, frame = draw.choice(SPOKEN[sign]), draw.choice(ASK)
    if sign in STORIES and draw.chance(0.12) and a >= b:
        text = draw.choice(STORIES[sign]).format(n=draw.name(), a=a, b=b, t=draw.choice(COUNTED))
        key = ("sum", a, sign, b)
    else:
        text = frame.format(spoken.format(a, b))
        text = text[0].upper() + text[1:]
        # What every side may ask is held out by its wording.
        common = is_known(a, sign, b) or (a < 10 and b < 10)
        key = ("wording", a, sign, b, spoken, frame) if common else ("sum", a, sign, b)
    return question(task, key, text, f"{a} {sign} {b} = {result(a, sign, b)}", thought(a, sign, b), thinks=thinks)


def make_lines(draw):
    """Bare lines, the densest practice there is."""
    parts, seen = [], []
    count = draw.number(8, 16)
    for index in range(count):
        sign = pick_sign(draw) if index < count - 1 else draw.choice("+-")
        a, b = numbers(draw, sign, direct=True)
        while draw.held and index == count - 1 and not is_held("sum", a, sign, b):  # the one that is scored
            a, b = numbers(draw, sign, direct=True)
        parts += [[f"{a} {sign} {b} =", 0.1], [f" {result(a, sign, b)}\n", 1.0]]
        seen.append((a, sign, b))
    prompt = "".join(text for text, _ in parts[:-1])
    return Sample("arithmetic_lines", None, raw=parts, prompt=prompt, expected=parts[-1][0].strip())
