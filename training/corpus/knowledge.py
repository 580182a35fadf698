"""Closed knowledge: capitals, days, months, units, colours, opposites. Facts are shared by both sides, wordings are held out."""
from conversation import question
import words
from words import a

CAPITALS = dict(pair.strip().split(":") for pair in """France:Paris, Germany:Berlin, Spain:Madrid, Italy:Rome, Portugal:Lisbon,
Austria:Vienna, Switzerland:Bern, Belgium:Brussels, the Netherlands:Amsterdam, Denmark:Copenhagen, Sweden:Stockholm, Norway:Oslo,
Finland:Helsinki, Poland:Warsaw, the Czech Republic:Prague, Hungary:Budapest, Greece:Athens, Ireland:Dublin,
the United Kingdom:London, England:London, Scotland:Edinburgh, Wales:Cardiff, Iceland:Reykjavik, Estonia:Tallinn, Latvia:Riga,
Lithuania:Vilnius, Ukraine:Kyiv, Romania:Bucharest, Bulgaria:Sofia, Croatia:Zagreb, Serbia:Belgrade, Turkey:Ankara, Russia:Moscow, Egypt:Cairo,
Morocco:Rabat, Kenya:Nairobi, Ghana:Accra, Nigeria:Abuja, Ethiopia:Addis Ababa, India:New Delhi, China:Beijing, Japan:Tokyo,
South Korea:Seoul, Thailand:Bangkok, Vietnam:Hanoi, Indonesia:Jakarta, Australia:Canberra, New Zealand:Wellington, Canada:Ottawa,
the United States:Washington, Mexico:Mexico City, Brazil:Brasilia, Argentina:Buenos Aires, Chile:Santiago, Peru:Lima,
Colombia:Bogota, Cuba:Havana, Iran:Tehran, Iraq:Baghdad, Israel:Jerusalem, Pakistan:Islamabad""".replace("\n", " ").split(","))
OF_COUNTRY = ["What is the capital of {}?", "What's the capital of {}?", "Capital of {}?", "Name the capital of {}.", "Tell me the capital of {}.",
              "Which city is the capital of {}?", "What is the capital city of {}?", "Do you know the capital of {}?", "capital of {}",
              "Can you tell me the capital of {}?", "The capital of {} is", "Please name the capital of {}.", "{}: what is its capital?"]
OF_CITY = ["Which country has the capital {}?", "{} is the capital of which country?", "Of which country is {} the capital?",
           "Which country is {} the capital of?", "What country has {} as its capital?"]

COLOURS = dict(pair.strip().split(":") for pair in """a banana:yellow, the sky:blue, grass:green, snow:white, coal:black, a tomato:red,
blood:red, the sun:yellow, a lemon:yellow, a strawberry:red, an orange:orange, a carrot:orange, milk:white, chocolate:brown, a leaf:green,
a frog:green, an elephant:grey, the sea:blue, a plum:purple, a flamingo:pink, cheese:yellow, salt:white, a cucumber:green,
a cherry:red, a raven:black, a polar bear:white, gold:golden, silver:silver, a fire engine:red, a pumpkin:orange, a mouse:grey""".replace("\n", " ").split(","))
COLOUR_ASK = ["What colour is {}?", "What color is {}?", "Which colour does {} have?", "Tell me the colour of {}.", "What is the colour of {}?",
              "What is the color of {}?", "Name the colour of {}.", "Do you know what colour {} is?"]

OPPOSITES = [pair.strip().split(":") for pair in """hot:cold, big:small, tall:short, fast:slow, old:young, light:dark, happy:sad, good:bad, hard:soft,
wet:dry, open:closed, full:empty, rich:poor, up:down, left:right, day:night, black:white, early:late, high:low, loud:quiet, near:far, strong:weak,
clean:dirty, cheap:expensive, easy:difficult, begin:end, buy:sell, love:hate, win:lose, give:take, push:pull, north:south, east:west,
true:false, wide:narrow, thick:thin, heavy:light, first:last, inside:outside, always:never, sweet:sour, safe:dangerous, sharp:blunt, awake:asleep,
same:different, question:answer, summer:winter, friend:enemy, yes:no, warm:cool""".replace("\n", " ").split(",")]
OPPOSITE_ASK = ["What is the opposite of {}?", "What's the opposite of {}?", "Opposite of {}?", "Name the opposite of {}.", 'What is the opposite of "{}"?',
                "Tell me the opposite of {}.", "Which word is the opposite of {}?", 'Give me the opposite of "{}".', "opposite of {}"]

LENGTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
UNITS = [line.split("|") for line in """metres|a kilometre|1000
centimetres|a metre|100
millimetres|a centimetre|10
millimetres|a metre|1000
grams|a kilogram|1000
kilograms|a ton|1000
millilitres|a litre|1000
seconds|a minute|60
minutes|an hour|60
hours|a day|24
days|a week|7
months|a year|12
days|a year|365
weeks|a year|52
years|a century|100
years|a decade|10
seconds|an hour|3600
inches|a foot|12
feet|a yard|3
cents|a euro|100
cents|a dollar|100
pence|a pound|100
bits|a byte|8
bytes|a kilobyte|1000
degrees|a circle|360
items|a dozen|12
seasons|a year|4
letters|the alphabet|26
continents|the world|7
players|a football team|11
legs|a spider|8
legs|an insect|6
legs|a dog|4
legs|a bird|2
wheels|a bicycle|2
wheels|a car|4
strings|a guitar|6
strings|a violin|4
sides|a triangle|3
sides|a square|4
sides|a hexagon|6
fingers|a hand|5
planets|the solar system|8
colours|the rainbow|7""".split("\n")]
HAS = {"legs", "wheels", "strings", "sides", "fingers", "players"}
MANY_IN = ["How many {u} are in {w}?", "How many {u} are there in {w}?", "How many {u} make {w}?", "{w}: how many {u}?", "Tell me how many {u} are in {w}.",
           "Do you know how many {u} are in {w}?"]
MANY_HAS = ["How many {u} does {w} have?", "How many {u} has {w}?", "Tell me how many {u} {w} has.", "Do you know how many {u} {w} has?",
            "What number of {u} does {w} have?"]

FACTS = [
    ("Air scatters blue light more than red light, so the sky looks blue.",
     ["Why is the sky blue?", "Why does the sky look blue?", "why is the sky blue", "Can you explain why the sky is blue?", "What makes the sky blue?",
      "Explain why the sky is blue.", "Tell me why the sky is blue.", "How come the sky is blue?"]),
    ("Leaves are green because of chlorophyll, which they use to catch light.",
     ["Why are leaves green?", "Why is grass green?", "What makes leaves green?", "Explain why plants are green.", "Why are plants green?"]),
    ("Water boils at 100 degrees Celsius.",
     ["When does water boil?", "At what temperature does water boil?", "How hot is boiling water?", "What is the boiling point of water?", "Boiling point of water?"]),
    ("Water freezes at 0 degrees Celsius.",
     ["When does water freeze?", "At what temperature does water freeze?", "What is the freezing point of water?", "How cold is freezing water?"]),
    ("The sun rises in the east and sets in the west.",
     ["Where does the sun rise?", "Where does the sun set?", "In which direction does the sun rise?", "Where does the sun come up?"]),
    ("The largest planet of our solar system is Jupiter.",
     ["What is the largest planet?", "Which planet is the largest?", "What is the biggest planet?", "Name the largest planet.", "Which planet is the biggest?"]),
    ("The largest ocean is the Pacific.",
     ["What is the largest ocean?", "Which ocean is the largest?", "What is the biggest ocean?", "Name the largest ocean."]),
    ("The highest mountain is Mount Everest.",
     ["What is the highest mountain?", "Which mountain is the highest?", "What is the tallest mountain?", "Name the highest mountain in the world."]),
    ("The earth goes around the sun once a year.",
     ["How long does the earth take to go around the sun?", "What does the earth go around?", "Does the earth go around the sun?", "How does the earth move?"]),
    ("Bees make honey.", ["Who makes honey?", "What do bees make?", "Which animal makes honey?", "Where does honey come from?"]),
    ("Cows give milk.", ["Which animal gives milk?", "Where does milk come from?", "What do cows give?", "Who gives us milk?"]),
    ("Rain is water that falls from clouds.", ["What is rain?", "Where does rain come from?", "What falls from clouds?", "Explain what rain is."]),
    ("A year has four seasons: spring, summer, autumn and winter.",
     ["What are the seasons?", "Name the seasons.", "Name the four seasons.", "Which seasons are there?", "List the seasons."]),
    ("The days of the week are Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday.",
     ["Name the days of the week.", "What are the days of the week?", "List the days of the week.", "Which days does a week have?"]),
    ("The primary colours are red, yellow and blue.",
     ["What are the primary colours?", "Name the primary colours.", "Which are the primary colours?", "List the primary colors."]),
    ("A computer is a machine that follows programs.",
     ["What is a computer?", "Explain what a computer is.", "What does a computer do?", "Tell me what a computer is."]),
    ("A language model is a program that foretells the next piece of a text.",
     ["What is a language model?", "Explain what a language model is.", "What does a language model do?", "What is an LLM?", "How does a language model work?"]),
    ("A token is a piece of text, such as a word or a part of one.",
     ["What is a token?", "Explain what a token is.", "What are tokens?", "What does token mean?"]),
]


def fact(draw, kind, subject, frames, answer, thought, capital=False):
    frame = draw.choice(frames)
    text = frame.format(subject) if isinstance(subject, str) else frame.format(**subject)
    return question("knowledge", (kind, subject if isinstance(subject, str) else tuple(subject.values()), frame), text[0].upper() + text[1:] if not capital else text,
                    answer, thought)


def after(items, draw):
    kind = "day" if items is words.DAYS else "month"
    at = draw.number(0, len(items) - 1)
    name = items[at]
    which = draw.choice(["after", "before", "first", "number", "two"])
    if which in ("after", "before"):
        step = 1 if which == "after" else -1
        frames = ["Which {k} comes {w} {n}?", "What {k} comes {w} {n}?", "What is the {k} {w} {n}?", "Which {k} is {w} {n}?", "Name the {k} {w} {n}.",
                  "What comes {w} {n}?", "The {k} {w} {n}?", "Tell me the {k} that comes {w} {n}."]
        other = items[(at + step) % len(items)]
        return fact(draw, "next", {"k": kind, "w": which, "n": name}, frames, f"{other} comes {which} {name}.", f"I need the {kind} {which} {name}.")
    if which == "two" and kind == "day":
        frames = ["If today is {n}, what day is tomorrow?", "Today is {n}. What day is tomorrow?", "Today is {n}. What is tomorrow?",
                  "It is {n} today. Which day is tomorrow?"]
        if draw.chance(0.5):
            frames = [frame.replace("is tomorrow", "was yesterday") for frame in frames]
            other, word = items[at - 1], "yesterday was"
        else:
            other, word = items[(at + 1) % 7], "tomorrow is"
        return fact(draw, "tomorrow" + word, {"n": name}, frames, f"If today is {name}, {word} {other}.", f"Today is {name}.")
    if kind == "month":
        frames = ["How many days does {n} have?", "How many days are in {n}?", "How many days are there in {n}?", "How long is {n}?", "How many days has {n}?"]
        days = "28 days, and 29 in a leap year" if at == 1 else f"{LENGTHS[at]} days"
        return fact(draw, "length", {"n": name}, frames, f"{name} has {days}.", "I know the lengths of the months.")
    place = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh"][at]
    frames = ["Which is the {p} day of the week?", "What is the {p} day of the week?", "Name the {p} day of the week.", "The {p} day of the week is"]
    return fact(draw, "place", {"p": place}, frames, f"The {place} day of the week is {name}.", "The week begins on Monday.")


def make(draw):
    kind = draw.choice(["capital"] * 5 + ["country"] + ["day", "month"] * 2 + ["colour"] * 2 + ["opposite"] * 3 + ["unit"] * 3 + ["fact"] * 4)
    if kind == "capital":
        country = draw.choice(list(CAPITALS))
        return fact(draw, kind, country, OF_COUNTRY, f"The capital of {country} is {CAPITALS[country]}.", f"The user asks for the capital of {country}.")
    if kind == "country":
        country = draw.choice([name for name in CAPITALS if name != "England"])
        city = CAPITALS[country]
        return fact(draw, kind, city, OF_CITY, f"{city} is the capital of {country}.", f"The user asks for the country of {city}.")
    if kind in ("day", "month"):
        return after(words.DAYS if kind == "day" else words.MONTHS, draw)
    if kind == "colour":
        thing = draw.choice(list(COLOURS))
        subject = thing[0].upper() + thing[1:]
        return fact(draw, kind, thing, COLOUR_ASK, f"{subject} is {COLOURS[thing]}.", f"I think of {thing}.")
    if kind == "opposite":
        one, other = draw.choice(OPPOSITES)
        if draw.chance(0.5) and other != "light":
            one, other = other, one
        if one == "light":
            other = "dark"
        return fact(draw, kind, one, OPPOSITE_ASK, f"The opposite of {one} is {other}.", f"The user asks for the opposite of {one}.")
    if kind == "unit":
        unit, whole, count = draw.choice(UNITS)
        if unit in HAS:
            answer = f"{whole[0].upper() + whole[1:]} has {count} {unit}."
        else:
            answer = f"There are {count} {unit} in {whole}."
        return fact(draw, kind, {"u": unit, "w": whole}, MANY_HAS if unit in HAS else MANY_IN, answer, f"The user asks for the number of {unit}.")
    answer, wordings = draw.choice(FACTS)
    text = draw.choice(wordings)
    return question("knowledge", ("fact", text), text, answer, "The user asks for a fact that I know.", is_common=text in wordings[:2])
