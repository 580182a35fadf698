"""Labels: sentiment and intent. The prompt names the labels; what is held out are combinations of subject and statement."""
import words
from conversation import question

OPINIONS = {
    "positive": """I love this {t}.|The {t} is great and works well.|I am very happy with my {t}.|What a wonderful {t}!|The {t} is better than I hoped.
Best {t} I ever had.|I would buy this {t} again.|The {t} arrived early and looks beautiful.|The {t} is worth every cent.|A lovely {t}, thank you!
My family enjoys the {t} every day.|Excellent {t}, I can recommend it.|The {t} is fast, quiet and good.|The {t} is perfect.|This {t} made my day.
I am so pleased with the {t}.|Fantastic {t}!|The quality of the {t} is very good.|The {t} is amazing.|Five stars for this {t}.|I really like the {t}.""",
    "negative": """I hate this {t}.|The {t} is terrible and does not work.|I am very unhappy with my {t}.|What an awful {t}!|The {t} is worse than I feared.
Worst {t} I ever had.|I would never buy this {t} again.|The {t} arrived late and looks ugly.|The {t} is a waste of money.|A horrible {t}, never again!
My {t} broke after one day.|Poor {t}, I cannot recommend it.|The {t} is slow, loud and bad.|The {t} is useless.|This {t} ruined my day.
I am so disappointed with the {t}.|Dreadful {t}!|The quality of the {t} is very bad.|I want my money back for the {t}.|One star for this {t}.|I really dislike the {t}.""",
    "neutral": """The {t} is {c}.|I bought the {t} on {d}.|The {t} comes in a box.|The {t} has a label with a number.|The shop sells a {c} {t}.
The {t} stands in the kitchen.|The {t} was delivered on {d}.|There is a {c} {t} in the room.|The {t} is made in a factory.|I ordered the {t} last {d}.
The {t} costs {n} euros.|The {t} weighs {n} grams.|The {t} is in the cupboard.|We have {n} of them and one {t}.|The {t} is next to the door."""}
OPINIONS = {label: text.replace("\n", "|").split("|") for label, text in OPINIONS.items()}
SUBJECTS = words.THINGS + ["film", "movie", "book", "hotel", "restaurant", "meal", "service", "app", "game", "song", "course", "trip", "concert", "show",
                           "coffee", "cake", "pizza", "museum", "new phone", "car", "house", "product", "lesson", "party"]
GOOD = "good, great, wonderful, excellent, lovely, beautiful, fantastic, perfect, amazing, nice, superb, brilliant, delightful, pleasant, impressive".split(", ")
BAD = "bad, terrible, awful, horrible, poor, ugly, dreadful, useless, disappointing, boring, annoying, broken, unpleasant, mediocre, disgusting".split(", ")
JUDGED = ["The {t} is {j}.", "The {t} was {j}.", "What {a_j} {t}!", "I think the {t} is {j}.", "This {t} is really {j}.", "{J} {t}!", "The {t} was {j} from start to end.", "It is {a_j} {t}.",
          "My friends say that the {t} is {j}."]
FELT = {"positive": ["I love the {t}!", "I enjoyed the {t}.", "I am happy with the {t}.", "We liked the {t} a lot.", "I adore this {t}.", "I love this {t}!"],
        "negative": ["I hate the {t}!", "I regret the {t}.", "I am angry about the {t}.", "We disliked the {t} a lot.", "I am tired of this {t}.", "I hate this {t}!"]}
SENTIMENT = ["Is this positive, negative or neutral: {}", "Label the sentiment as positive, negative or neutral.\n\nText: {}", "Is this text positive, negative or neutral?\n\n{}",
             "What is the sentiment of this text?\n\n{}", 'Classify the sentiment of "{}" as positive, negative or neutral.',
             "Sentiment (positive, negative, neutral): {}", "Classify: positive, negative or neutral?\n{}",
             'Is the sentiment of this review positive, negative or neutral? "{}"', "What is the sentiment? {}"]

INTENTS = {
    "booking": """I would like to book a room in {p} for {d}.|Can I reserve a table for {n} people on {d}?|Please book a flight to {p}.|I want to book a ticket to {p} for {d}.
Could you reserve {n} seats for {d}?|We need a room for {n} nights in {p}.|I would like to make a reservation for {d}.|Book me a taxi to {p}, please.""",
    "cancellation": """I want to cancel my booking for {d}.|Please cancel my order.|I would like to cancel my flight to {p}.|Cancel my reservation for {d}, please.
I have to cancel the room in {p}.|Please cancel my subscription.|I no longer need the ticket to {p}, please cancel it.|How do I cancel my order of the {t}?""",
    "complaint": """My {t} arrived broken.|The {t} that you sent does not work.|I am not happy with your service in {p}.|The delivery of my {t} is {n} days late.
Nobody answers my calls about the {t}.|You sent me the wrong {t}.|The room in {p} was dirty.|I waited {n} hours for the bus to {p}. That is not acceptable.""",
    "price": """How much does the {t} cost?|What is the price of a ticket to {p}?|How expensive is the {t}?|What do {n} nights in {p} cost?|Is there a discount on the {t}?
What does a {c} {t} cost?|Can you tell me the price of the {t}?|How much is the room in {p}?""",
    "hours": """When do you open on {d}?|What are your opening hours?|Are you open on {d}?|Until when is the shop in {p} open?|At what time do you close on {d}?
When does the office in {p} close?|Do you open on {d}?|How long are you open today?""",
    "thanks": """Thank you for the {t}!|Thanks a lot for your help in {p}.|Many thanks, the {t} arrived.|I am grateful for your help on {d}.|Thank you for the quick answer.
Thanks, that solved my problem with the {t}.|You helped me a lot, thank you.|Thanks for the nice days in {p}."""}
INTENTS = {label: text.replace("\n", "|").split("|") for label, text in INTENTS.items()}
INTENT = ["Label the intent as {l}.\n\nText: {x}", "What is the intent of this message: {l}?\n\n{x}", "Choose one label ({l}) for this message:\n{x}",
          'Which of these labels fits "{x}"? {l}', "Intent ({l}): {x}", "Classify the message.\nLabels: {l}\nMessage: {x}"]


def fill(draw, text):
    return text.format(t=draw.choice(words.THINGS), c=draw.choice(words.COLOURS), d=draw.choice(words.DAYS), n=draw.number(2, 40), p=draw.choice(words.CITIES))


def make(draw):
    if draw.chance(0.5):
        label = draw.choice(list(OPINIONS))
        if label == "neutral" or draw.chance(0.5):
            text = fill(draw, draw.choice(OPINIONS[label]))
        elif draw.chance(0.3):
            text = draw.choice(FELT[label]).format(t=draw.choice(SUBJECTS))
        else:
            judged = draw.choice(GOOD if label == "positive" else BAD)
            text = draw.choice(JUDGED).format(t=draw.choice(SUBJECTS), j=judged, J=judged.capitalize(), a_j=words.a(judged))
        return question("labels", ("opinion", text), draw.choice(SENTIMENT).format(text), label, f"The text sounds {label}.")
    label = draw.choice(list(INTENTS))
    text = fill(draw, draw.choice(INTENTS[label]))
    others = [name for name in INTENTS if name != label]
    shown = draw.shuffled([label] + draw.sample(others, draw.number(2, 5)))
    return question("labels", ("intent", text), draw.choice(INTENT).format(l=", ".join(shown), x=text), label, f"The message is about {label}.")
