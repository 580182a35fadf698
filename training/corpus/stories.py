"""Short stories from a grammar: told when asked for, and as bare text."""
import words
from conversation import Sample, assistant, user
from words import a

PLACES = ["a deep forest", "a small village", "an old mill", "a green valley", "a quiet town", "a house by the sea", "a farm on a hill", "an old castle", "a garden full of roses",
          "a house on an island", "a cave in the mountains", "a hut near the river", "a tall tower", "a meadow by the lake"]
TRAITS = ["brave", "shy", "clever", "curious", "gentle", "lazy", "cheerful", "proud", "kind", "hungry", "careful", "dreamy"]
OBJECTS = ["key", "lantern", "map", "bell", "coin", "feather", "letter", "ring", "stone", "drum", "kite", "shell", "book", "hat", "scarf", "boat", "cake", "star"]
WEATHER = ["It was a cold morning.", "The sun was shining.", "It had rained all night.", "Snow lay on the ground.", "A warm wind blew.", "The moon was bright.", "Fog covered the fields.",
           "It was the first day of spring."]
START = ["Once upon a time there was {trait_animal} called {name}, who lived in {place}.", "Once upon a time, in {place}, there lived {trait_animal} called {name}.",
         "In {place} lived {trait_animal}. The name of the {animal} was {name}."]
WANT = ["One day {name} lost {a_object}.", "One day {name} found {a_object}.", "One day {name} wanted to have {a_object}."]
LOST = ["{name} looked under every bush, but the {object} was not there.", "{name} searched the whole day and could not find the {object}.", "Without the {object}, {name} was very sad."]
FOUND = ["Nobody knew whose {object} it was.", "The {object} was {colour} and very beautiful.", "{name} had never seen such {a_object} before."]
WISH = ["But there was only one {object} far and wide.", "But {a_object} was hard to get.", "{name} dreamed of the {object} every night."]
MEET = ["Then {a_helper} called {friend} came along.", "On the way {name} met {a_helper} called {friend}.", "Just then {a_helper} named {friend} stopped by."]
SAY = ['"Can I help you?" asked {friend}.', '"What is the matter?" asked {friend}.', '"You look as if you need a friend," said {friend}.']
REPLY = {
    "lost": ['"I have lost my {object}," said {name}.', '"My {object} is gone," said {name}.', '"I cannot find my {object}," said {name}.'],
    "found": ['"Look, I have found {a_object}," said {name}.', '"Do you know whose {object} this is?" asked {name}.', '"I have found this {object}," said {name}.'],
    "wish": ['"I would like to have {a_object}," said {name}.', '"I wish I had {a_object}," said {name}.', '"All I want is {a_object}," said {name}.']}
END = {
    "lost": ['"Here it is," said {friend} and gave {name} the {object}.', "Together they looked again and found the {object} behind a tree.", "{friend} had found the {object} by the river."],
    "found": ['"That is mine," said {friend}, "but we can share it."', "Together they brought the {object} back to its owner.", "They put the {object} where everyone could see it."],
    "wish": ['"I have two," said {friend} and gave {name} one.', "Together they made a new {object}, and it was even better.", '"We can share mine," said {friend}.']}
CLOSE = ["{name} was happy, and they stayed friends for ever.", "From that day on they were best friends.", "They laughed and went home together.", "That evening they ate cake and sang songs.",
         "And so {name} learned that it is good to have friends."]
ASK_ANIMAL = ["Tell me a story about {x}.", "Write a story about {x}.", "Write a short story about {x}.", "Can you tell me a story about {x}?", "I want to hear a story about {x}.",
              "Please tell me a short story about {x}.", "A story about {x}, please.", "Tell a story about {x}."]
ASK_ANY = ["Tell me a story.", "Tell me a story", "Write a short story.", "Can you tell me a story?", "I want to hear a story.", "Tell me a bedtime story.", "A story, please.", "Tell a story!"]


def tell(draw, animal=None, name=None, thing=None):
    animal = animal or draw.choice(words.ANIMALS)
    helper = draw.choice([one for one in words.ANIMALS if one != animal])
    thing = thing or draw.choice(OBJECTS)
    trait, name = draw.choice(TRAITS), name or draw.name()
    friend = draw.name()
    while friend == name:
        friend = draw.name()
    slots = dict(animal=animal, name=name, friend=friend, object=thing, colour=draw.choice(words.COLOURS), place=draw.choice(PLACES), a_object=a(thing), a_helper=a(helper),
                 trait_animal=a(trait + " " + animal))
    place = draw.number(0, 2)
    kind = ["lost", "found", "wish"][place]
    lines = [draw.choice(START), draw.choice(WEATHER), WANT[place], draw.choice([LOST, FOUND, WISH][place]), draw.choice(MEET), draw.choice(SAY),
             draw.choice(REPLY[kind]), draw.choice(END[kind]), draw.choice(CLOSE)]
    return " ".join(line.format(**slots) for line in lines), slots


def make(draw):
    """Asked for. The hero of the request must be the hero of the story."""
    animal, name, thing = draw.choice(words.ANIMALS), draw.name(), draw.choice(OBJECTS)
    which = draw.number(0, 4)
    if which == 0:
        text, slots = tell(draw)
        asked = draw.choice(ASK_ANY)
        return Sample("stories", ("story", asked), [user(asked), assistant(text, "I tell a short story.")], match="contains", expected="One day", is_common=True)
    if which == 1:
        asked, expected = a(animal), animal
        text, slots = tell(draw, animal)
    elif which == 2:
        asked, expected = f"{a(animal)} called {name}", name
        text, slots = tell(draw, animal, name)
    elif which == 3:
        asked, expected = f"{a(animal)} and {a(thing)}", thing
        text, slots = tell(draw, animal, None, thing)
    else:
        asked, expected = f"{name} the {animal}", name
        text, slots = tell(draw, animal, name)
    key = ("story", asked) if which in (1, 3) else None
    return Sample("stories", key, [user(draw.choice(ASK_ANIMAL).format(x=asked)), assistant(text, f"I tell a story about {asked}.")], match="contains", expected=expected)


def make_raw(draw):
    """Bare text; scored by whether the hero's name comes back."""
    texts = [tell(draw) for _ in range(draw.choice([1, 1, 2]))]
    story, slots = texts[-1]
    before = "".join(text + "\n\n" for text, _ in texts[:-1])
    at = story.find("One day") + len("One day")
    return Sample("stories_raw", None, raw=[[before + story, 1.0]], prompt=before + story[:at], match="contains", expected=slots["name"])
