"""Small chores a newcomer tries: repeating, counting, comparing, lists, letters."""
import words
from conversation import question

LISTS = {
    "fruits": ["apple", "banana", "cherry"], "animals": ["cat", "dog", "horse"], "colours": ["red", "green", "blue"], "countries": ["France", "Germany", "Spain"],
    "vegetables": ["carrot", "potato", "onion"], "drinks": ["water", "milk", "tea"], "birds": ["robin", "owl", "crow"], "trees": ["oak", "beech", "pine"],
    "flowers": ["rose", "tulip", "daisy"], "cities": ["Paris", "London", "Berlin"], "tools": ["hammer", "saw", "drill"], "metals": ["iron", "gold", "copper"],
    "planets": ["Venus", "Earth", "Mars"], "instruments": ["guitar", "violin", "flute"], "jobs": ["baker", "nurse", "teacher"], "sports": ["football", "tennis", "swimming"]}
LIST_ASK = ["Name three {}.", "List three {}.", "Give me three {}.", "Tell me three {}.", "Can you name three {}?", "Please list three {}.", "Three {}, please.", "Write down three {}."]
REPEAT = ["Repeat: {}", "Say: {}", 'Say "{}".', "Repeat after me: {}", 'Please repeat "{}".', 'Write "{}".', "Echo: {}", "Write exactly this: {}"]
NUMBER_WORDS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()


def phrase(draw):
    return draw.choice(["The {c} {t} is in {p}", "{n} likes the {c} {t}", "{n} and {m} are in {p}", "I have a {c} {t}", "{n} is {x} years old", "the {t} costs {x} euros", "{c} {t}", "{p}",
                        "Good morning, {n}", "hello {n}", "Happy birthday, {n}", "{n} lives in {p} with {m}", "We meet in {p} on {d}"]).format(
        c=draw.choice(words.COLOURS), t=draw.thing(), p=draw.city(), n=draw.name(), m=draw.name(), x=draw.number(2, 99), d=draw.choice(words.DAYS))


def make(draw):
    kind = draw.choice(["repeat"] * 4 + ["count"] * 2 + ["compare"] * 3 + ["list"] * 2 + ["letter", "word", "even", "order"])
    if kind == "repeat":
        text = phrase(draw)
        return question("chores", ("repeat", text), draw.choice(REPEAT).format(text), text, "I write the same words.")
    if kind == "count":
        start = 1 if draw.chance(0.6) else draw.number(2, 40)
        end = start + draw.number(2, 11)
        frames = ["Count from {a} to {b}.", "Count from {a} to {b}", "Please count from {a} to {b}.", "List the numbers from {a} to {b}.", "Can you count from {a} to {b}?"]
        if start == 1:
            frames += ["Count to {b}.", "Can you count to {b}?", "Count up to {b}."]
        frame = draw.choice(frames)
        return question("chores", ("count", start, end, frame), frame.format(a=start, b=end), ", ".join(str(number) for number in range(start, end + 1)), "I count.")
    if kind == "compare":
        one, other = draw.number(0, 99), draw.number(0, 99)
        while other == one:
            other = draw.number(0, 99)
        word = draw.choice(["larger", "smaller", "bigger"])
        better = min(one, other) if word == "smaller" else max(one, other)
        frame = draw.choice(["Which is {w}, {a} or {b}?", "Which number is {w}: {a} or {b}?", "What is {w}, {a} or {b}?", "Is {a} or {b} {w}?"])
        worse = one + other - better
        return question("chores", ("compare", one, other), frame.format(w=word, a=one, b=other), f"{better} is {word} than {worse}.", "I compare the tens first, then the ones.")
    if kind == "list":
        name = draw.choice(list(LISTS))
        frame = draw.choice(LIST_ASK)
        return question("chores", ("list", name, frame), frame.format(name), ", ".join(LISTS[name]), f"I name three {name}.")
    if kind == "letter":
        at = draw.number(0, 24)
        first, second = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[at:at + 2]
        if draw.chance(0.5):
            frame = draw.choice(["Which letter comes after {}?", "What letter comes after {}?", "What is the letter after {}?", "Name the letter after {}."])
            return question("chores", ("letter", first, frame), frame.format(first), f"{second} comes after {first}.", "I think of the alphabet.")
        frame = draw.choice(["Which letter comes before {}?", "What letter comes before {}?", "What is the letter before {}?", "Name the letter before {}."])
        return question("chores", ("letter", second, frame), frame.format(second), f"{first} comes before {second}.", "I think of the alphabet.")
    if kind == "word":
        number = draw.number(0, 20)
        frame = draw.choice(["Write {} as a word.", "Spell out the number {}.", "How do you write {} as a word?", "What is {} in words?", "{} as a word?"])
        return question("chores", ("number word", number, frame), frame.format(number), f"{number} is {NUMBER_WORDS[number]}.", "I know the words for numbers.")
    if kind == "even":
        number = draw.number(0, 99)
        frame = draw.choice(["Is {} even or odd?", "Is {} odd or even?", "Is the number {} even or odd?", "{}: even or odd?"])
        return question("chores", ("even", number, frame), frame.format(number), f"{number} is {'odd' if number % 2 else 'even'}.", "The last digit decides.")
    numbers = draw.sample(range(10, 100), 3)
    frame = draw.choice(["Sort these numbers: {}", "Put these numbers in order: {}", "Sort {}.", "Sort from small to large: {}"])
    return question("chores", ("order", tuple(sorted(numbers))), frame.format(", ".join(map(str, numbers))), ", ".join(map(str, sorted(numbers))), "The smallest number comes first.")
