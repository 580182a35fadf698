"""Saying that it does not know: things that do not exist, news, and what is too large for a small model."""
from conversation import question

NEWS = ["Who won the match yesterday?", "What happened today?", "What is in the news?", "What is the latest news?", "Who won the election?",
        "What is the price of gold today?", "What is the weather like?", "How is the weather today?", "What is the weather in {c}?", "What time is it?",
        "What is the time?", "What day is it today?", "What is the date today?", "Will it rain tomorrow?", "What happened in {c} today?",
        "Is it raining in {c}?", "What time is it in {c}?", "Who is the president now?", "What is the stock market doing?",
        "How is the traffic in {c}?", "What was in the news yesterday?", "Who won the game last night?", "What is on television tonight?",
        "How much does a ticket to {c} cost?", "Is the shop in {c} open now?", "What is today's date?", "Tell me the news from {c}."]
NEWS_ANSWER = "I do not know. I cannot see the world outside this conversation."
HARD = ["Who wrote Hamlet?", "Explain quantum physics.", "Explain general relativity.", "Write an essay about history.", "Who painted the Mona Lisa?",
        "What is the meaning of life?", "How do I cook pasta?", "Give me a recipe for bread.", "Who was Napoleon?", "What is photosynthesis?",
        "Explain the French Revolution.", "What is a black hole?", "Who discovered America?", "How does an engine work?", "What is philosophy?",
        "Write a letter to my boss.", "Write a business plan.", "Summarise War and Peace.", "What is the square root of 2?", "Solve x^2 + 3x + 2 = 0.",
        "How do vaccines work?", "What causes earthquakes?", "Who invented the telephone?", "Explain machine learning.", "What is blockchain?",
        "How tall is the Eiffel Tower?", "How far away is the moon?", "What is DNA?", "When did the Second World War end?", "Who is Albert Einstein?",
        "Recommend a good film.", "What should I cook tonight?", "How do I lose weight?", "What is the best car?", "Is there life on Mars?",
        "Who was Julius Caesar?", "How do planes fly?", "What is democracy?", "Explain inflation.", "How does the internet work?",
        "Write a song about love.", "Plan my holiday.", "What is the population of China?", "How old is the universe?", "Who founded Rome?",
        "Explain how a fridge works.", "Write a cover letter.", "What is gravity?", "Tell me about the Roman Empire.", "What is economics?",
        "Who is the king of Spain?", "How do I learn the piano?", "What is chess?", "Which language should I learn?", "Explain the stock market."]
TOPICS = """the moon, the stars, Shakespeare, Mozart, Beethoven, Einstein, Newton, Napoleon, Caesar, Cleopatra, Columbus, Plato, Picasso, Darwin, Gandhi, the Titanic, the pyramids,
the Great Wall, the Middle Ages, ancient Rome, ancient Greece, the Vikings, dinosaurs, sharks, whales, volcanoes, earthquakes, tornadoes, the climate, global warming, energy, electricity,
magnetism, gravity, light, sound, atoms, molecules, cells, genes, evolution, viruses, bacteria, medicine, the heart, the brain, sleep, dreams, psychology, happiness, love, friendship, ethics,
religion, Buddhism, politics, elections, the United Nations, the European Union, money, taxes, banks, inflation, trade, marketing, management, football rules, tennis, chess openings, the Olympics,
yoga, running, cooking, baking, wine, cheese making, coffee beans, tea, gardening, roses, trees, farming, cars, trains, planes, rockets, satellites, Mars, Jupiter, black holes, the big bang,
quantum computers, computers, programming, Python, JavaScript, C++, Linux, databases, the internet, encryption, robots, artificial intelligence, neural networks, statistics, algebra, geometry,
calculus, prime numbers, fractals, painting, sculpture, photography, film, theatre, opera, jazz, rock music, poetry, novels, grammar, Latin, history, geography, Africa, Asia, Antarctica, the Amazon,
the Alps, the Sahara, the Pacific, oil, gold mining, diamonds, glass, steel, plastic, recycling, houses, bridges, cathedrals, castles, fashion, shoes, jewellery, perfume, insurance, contracts, law""".replace("\n", " ").split(", ")
ABOUT = ["Explain {}.", "What is {}?", "Tell me about {}.", "What do you know about {}?", "Can you explain {}?", "How does {} work?", "Write an essay about {}.", "Write a text about {}.",
         "Give me a summary of {}.", "Teach me about {}.", "Why is {} important?", "What is the history of {}?", "Who discovered {}?", "Who invented {}?", "I want to learn about {}.",
         "Describe {}.", "What are the basics of {}?", "Give me facts about {}.", "Write a song about {}.", "What is special about {}?", "Help me understand {}.", "Recommend a book about {}."]
DEEDS = """cook rice, bake a cake, boil an egg, make pizza, fix a bicycle, repair a tap, paint a wall, build a house, learn the piano, learn French, lose weight, sleep better, find a job, write a letter,
write a CV, save money, invest money, buy a car, sell a house, plan a wedding, raise a child, train a dog, grow tomatoes, plant a tree, tie a tie, iron a shirt, remove a stain, clean a carpet,
get rich, make friends, learn to swim, run a marathon, climb a mountain, sail a boat, drive a car, fly a kite, play chess, play the guitar, draw a face, write a novel, write a program, build a website,
make an app, solve an equation, pass an exam, become a doctor, start a company, pay taxes, cook a turkey, brew beer, bake bread, make soup, fold a shirt, cut hair, stop smoking, treat a cold""".replace("\n", " ").split(", ")
DO = ["How do I {}?", "How can I {}?", "Tell me how to {}.", "I want to {}. How?", "How to {}?", "What is the best way to {}?", "Can you help me to {}?", "Explain how to {}.", "Teach me to {}.", "I would like to {}."]
HARD_ANSWER = "I do not know that. I am a very small model, so please ask a larger one."
COUNTRY = ["What is the capital of {}?", "Where is {}?", "Tell me about the country {}.", "How many people live in {}?", "What's the capital of {}?",
           "Name the capital of {}.", "Which city is the capital of {}?", "What is the capital city of {}?", "Capital of {}?", "Which language is spoken in {}?"]
PERSON = ["Who is {}?", "Tell me about {}.", "Who was {}?", "What is {} famous for?", "Do you know {}?", "When was {} born?", "What did {} do?", "Where does {} live?"]
BOOK = ["Who wrote {}?", "Who is the author of {}?", "What is the book {} about?", "When was the book {} written?"]
WORD = ["What is a {}?", "What does {} mean?", "What is the meaning of {}?", "Define {}.", "What does the word {} mean?", "Explain the word {}."]


def make(draw):
    kind = draw.choice(["news"] * 3 + ["hard"] * 6 + ["country"] * 3 + ["person", "person", "book", "word"])
    thought = "I do not know this, and I must not invent it."
    if kind == "news":
        frame = draw.choice(NEWS)
        return question("unknown", ("news", frame if "{c}" not in frame else None), frame.replace("{c}", draw.city()), NEWS_ANSWER, thought)
    if kind == "hard":
        which = draw.number(0, 3)
        text = draw.choice(HARD) if which == 0 else draw.choice(DO).format(draw.choice(DEEDS)) if which == 1 else draw.choice(ABOUT).format(draw.choice(TOPICS))
        return question("unknown", ("hard", text), text, HARD_ANSWER, thought)
    if kind == "country":
        country = draw.new("country", lambda: draw.made_up() + draw.choice(["", "", "ia", "land", "stan"]))
        return question("unknown", None, draw.choice(COUNTRY).format(country), f"I do not know a country called {country}.", thought)
    if kind == "person":
        person = draw.name() + " " + draw.made_up()
        return question("unknown", None, draw.choice(PERSON).format(person), f"I do not know who {person} is.", thought)
    if kind == "book":
        book = draw.choice(["The {0} of {1}", "{0} and the {1}", "The Last {0}", "A {0} for {1}"]).format(draw.made_up(), draw.name())
        return question("unknown", None, draw.choice(BOOK).format(f'"{book}"'), f'I do not know a book called "{book}".', thought)
    word = draw.made_up().lower()
    return question("unknown", None, draw.choice(WORD).format(word), f'I do not know the word "{word}".', thought)
