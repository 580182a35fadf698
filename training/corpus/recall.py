"""Finding again what was said before, from one line to some thousand tokens back."""
import knowledge
import smalltalk
import stories
import words
from conversation import Sample, assistant, user
from draw import Draw, is_held


def code(draw):
    return draw.new("code", lambda: str(draw.number(1000, 9999)))


# (statement, question, answer) with slots; x is what must be found again.
FACTS = [
    (code, "The code of the {c} door is {x}.", ["What is the code of the {c} door?", "Which code does the {c} door have?", "Tell me the code of the {c} door."], "The code of the {c} door is {x}."),
    (code, "The number of room {t} is {x}.", ["What is the number of room {t}?", "Which number does room {t} have?"], "The number of room {t} is {x}."),
    (Draw.made_up, "The secret word is {x}.", ["What is the secret word?", "Which secret word did I tell you?", "Tell me the secret word.", "What was the secret word?"], "The secret word is {x}."),
    (Draw.name, "My name is {x}.", ["What is my name?", "What's my name?", "Do you know my name?", "Who am I?", "Tell me my name.", "Do you remember my name?"], "Your name is {x}."),
    (Draw.city, "I live in {x}.", ["Where do I live?", "In which city do I live?", "Do you know where I live?", "Which city do I live in?"], "You live in {x}."),
    (Draw.name, "My {a} is called {x}.", ["What is my {a} called?", "What is the name of my {a}?", "How is my {a} called?"], "Your {a} is called {x}."),
    (Draw.name, "My sister is called {x}.", ["What is my sister called?", "What is the name of my sister?", "What is my sister's name?"], "Your sister is called {x}."),
    (Draw.name, "My brother is called {x}.", ["What is my brother called?", "What is the name of my brother?", "What is my brother's name?"], "Your brother is called {x}."),
    (lambda draw: draw.choice(words.COLOURS), "My favourite colour is {x}.", ["What is my favourite colour?", "Which colour do I like best?", "Do you know my favourite colour?"], "Your favourite colour is {x}."),
    (lambda draw: draw.choice(words.JOBS), "I work as {ax}.", ["What is my job?", "What do I work as?", "What do I do for a living?"], "You work as {ax}."),
    (Draw.thing, "I left the {x} in the kitchen.", ["What did I leave in the kitchen?", "What is in the kitchen?"], "You left the {x} in the kitchen."),
    (lambda draw: draw.choice(words.DAYS), "The meeting with {n} is on {x}.", ["When is the meeting with {n}?", "On which day is the meeting with {n}?"], "The meeting with {n} is on {x}."),
    (lambda draw: str(draw.number(2, 99)), "{n} is {x} years old.", ["How old is {n}?", "What is the age of {n}?"], "{n} is {x} years old."),
    (Draw.city, "{n} lives in {x}.", ["Where does {n} live?", "In which city does {n} live?"], "{n} lives in {x}."),
    (Draw.thing, "{n} bought a new {x}.", ["What did {n} buy?", "Which thing did {n} buy?"], "{n} bought a new {x}."),
]
REMEMBER = ["{}", "{}", "Remember this: {}", "Please remember: {}", "Note: {}", "Keep in mind: {}"]
NOTED = "All right, I will remember that."


def fact(draw):
    """A statement, what it is about, a question and its answer."""
    while True:
        index = draw.number(0, len(FACTS) - 1)
        make, statement, questions, answer = FACTS[index]
        x = make(draw)
        slots = dict(x=x, ax=words.a(x), c=draw.choice(words.COLOURS), t=draw.made_up(1), a=draw.choice(["dog", "cat", "horse", "rabbit", "bird", "hamster"]), n=draw.name())
        about = (index,) + tuple(value for slot, value in slots.items() if slot not in ("x", "ax") and "{" + slot + "}" in answer)
        if is_held("recall", about, x) == draw.held:
            return about, statement.format(**slots), draw.choice(questions).format(**slots), answer.format(**slots)


def facts(draw, count):
    """Statements that cannot be mistaken for one another."""
    out, subjects = [], set()
    while len(out) < count:
        subject, statement, asked, answer = fact(draw)
        if subject not in subjects:
            subjects.add(subject)
            out.append((statement, asked, answer))
    return out


def filler(draw):
    """Other talk, of the side of training."""
    while True:
        sample = draw.choice([knowledge.make, smalltalk.make])(Draw(draw.number(0, 1 << 40), False))
        text = sample.messages[0]["content"]
        if sample.belongs(False) and "My name" not in text and " am " not in text and "I'm" not in text:
            return sample.messages


THOUGHT = "This was said before."
READ = ["Read the text and answer the question.\n\n{}\n\nQuestion: {}", "{}\n\n{}", "Text:\n{}\n\nQuestion: {}", "{}\n\nQuestion: {}"]


def make(draw):
    """Short: a few statements, or a chat with other things in between."""
    if draw.chance(0.5):
        known = facts(draw, draw.number(1, 6))
        lines = [statement for statement, _, _ in known]
        separator = draw.choice([" ", "\n"])
        if draw.chance(0.3):
            lines.insert(draw.number(0, len(lines)), stories.tell(draw)[0])
        text = separator.join(lines)
        _, asked, answer = draw.choice(known)
        return Sample("recall", None, [user(draw.choice(READ).format(text, asked)), assistant(answer, THOUGHT)], thinks=0.1)
    known = facts(draw, draw.number(1, 3))
    messages = [user(draw.choice(REMEMBER).format(" ".join(statement for statement, _, _ in known))), assistant(NOTED)]
    if known[0][0].startswith("My name is ") and len(known) == 1:
        name = known[0][0][11:-1]
        messages = [user(draw.choice(["My name is {}.", "Hello, my name is {}.", "Hi, I am {}!", "I am {}."]).format(name)),
                    assistant(f"Nice to meet you, {name}! How can I help you?")]
    for _ in range(draw.number(0, 3)):
        messages += filler(draw)
    _, asked, answer = draw.choice(known)
    return Sample("recall", None, messages + [user(asked), assistant(answer, THOUGHT)])


def make_long(draw):
    """A statement between stories, 500 to 4000 tokens away from its question."""
    known = facts(draw, draw.number(1, 4))
    count = draw.choice([4, 8, 12, 18, 24, 30, 36])
    blocks = [stories.tell(draw)[0] for _ in range(count)]
    for statement, _, _ in known:
        blocks.insert(draw.number(0, len(blocks)), statement)
    asked = draw.shuffled(known)
    if draw.chance(0.6):
        messages = [user("Read this.\n\n" + "\n\n".join(blocks) + "\n\n" + asked[0][1]), assistant(asked[0][2], THOUGHT)]
    else:
        messages = [user("Read this and answer my questions.\n\n" + "\n\n".join(blocks)), assistant("I have read it. What is your question?", THOUGHT),
                    user(asked[0][1]), assistant(asked[0][2], THOUGHT)]
    for _, text, answer in asked[1:]:
        messages += [user(text), assistant(answer, THOUGHT)]
    return Sample("recall_long", None, messages)
