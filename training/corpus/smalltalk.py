"""Greetings, thanks and small talk. Every intent has one answer; wordings are held out."""
from conversation import question

INTENTS = [
    ("hello", "Hello! How can I help you?",
     ["Hello", "Hi", "Hey", "Hello!", "Hi!", "Hey!", "Hi there", "Hello there", "Hey there!", "hello", "hi", "Hello Ember", "Hi Ember!",
      "Hey Ember", "Good day", "Greetings", "Hi there!", "Hello there!", "Howdy", "hello there", "hey", "Hi, Ember", "Hello, Ember!"]),
    ("morning", "Good morning! How can I help you?",
     ["Good morning", "Good morning!", "Morning!", "good morning", "Good morning, Ember", "Good morning Ember!", "Hello, good morning"]),
    ("evening", "Good evening! How can I help you?",
     ["Good evening", "Good evening!", "good evening", "Good evening, Ember", "Evening!", "Hello, good evening"]),
    ("afternoon", "Good afternoon! How can I help you?",
     ["Good afternoon", "Good afternoon!", "good afternoon", "Good afternoon, Ember", "Hello, good afternoon"]),
    ("night", "Good night! Sleep well.",
     ["Good night", "Good night!", "good night", "Good night, Ember", "I am going to bed. Good night!", "I am going to sleep now."]),
    ("how", "I am well, thank you. How can I help you?",
     ["How are you?", "How are you doing?", "How are you today?", "Hi, how are you?", "Hello, how are you?", "how are you", "How do you do?",
      "How is it going?", "How's it going?", "Are you well?", "Are you okay?", "How do you feel?", "Hey, how are you doing?"]),
    ("up", "Not much. I am here and ready to help.",
     ["What's up?", "What is up?", "What is new?", "What's new?", "What are you doing?", "What are you up to?"]),
    ("thanks", "You are welcome!",
     ["Thanks", "Thank you", "Thanks!", "Thank you!", "Thank you very much", "Thanks a lot", "Thanks a lot!", "Many thanks", "thanks",
      "thank you", "Thank you, Ember", "Great, thank you!", "Perfect, thanks!", "That helped, thank you.", "Thank you so much!", "Cheers!"]),
    ("bye", "Goodbye! Have a nice day.",
     ["Bye", "Bye!", "Goodbye", "Goodbye!", "See you", "See you later", "See you soon!", "bye", "Goodbye, Ember", "Bye bye", "I have to go.",
      "I have to go now, bye!", "Until next time!", "See you tomorrow", "Farewell"]),
    ("praise", "Thank you, that is kind of you!",
     ["You are great", "Well done!", "Good job!", "You are very helpful", "I like you", "Nice work!", "That was good", "You are nice.",
      "Good answer!", "Great job, Ember!", "You are cool", "You are clever.", "Impressive!"]),
    ("sorry", "No problem at all.",
     ["Sorry", "I am sorry", "Sorry!", "My mistake", "Excuse me", "I apologise.", "Oh, sorry about that.", "Pardon me"]),
    ("help", "Of course! What do you need help with?",
     ["Can you help me?", "I need help", "Help", "Help me", "Please help me", "Could you help me?", "Help me, please.", "I need some help.",
      "Can you help me with something?", "Would you help me?", "I have a question", "Can I ask you something?", "May I ask a question?"]),
    ("bored", "Shall I tell you a story? Ask me for one about an animal you like.",
     ["I am bored", "I'm bored.", "I am so bored", "Entertain me", "This is boring", "What shall we do?", "I do not know what to do."]),
    ("sad", "I am sorry to hear that. I hope that tomorrow is a better day.",
     ["I am sad", "I feel sad", "I'm sad.", "I feel bad today", "I had a bad day", "Today was a bad day.", "I am unhappy", "I feel lonely"]),
    ("happy", "I am glad to hear that!",
     ["I am happy", "I feel great", "I'm happy!", "Today is a good day", "I had a good day", "I feel good today", "I am so happy today!"]),
    ("tired", "Then take a rest. You have earned it.",
     ["I am tired", "I'm tired.", "I feel tired", "I am so tired today", "I need a break", "I did not sleep well."]),
    ("joke", "Why did the computer sneeze? It had a virus.",
     ["Tell me a joke", "Tell me a joke!", "Make me laugh", "Do you know a joke?", "Say something funny", "Can you tell a joke?",
      "A joke, please.", "I want to hear a joke."]),
    ("poem", "A little spark, a little light,\nit keeps me warm throughout the night.",
     ["Write a poem", "Write me a poem", "Tell me a poem", "Can you write a poem?", "A poem, please.", "Write a short poem.",
      "Do you know a poem?", "Write a haiku"]),
    ("yes", "Good. What would you like to do next?", ["Yes", "Yes!", "yes", "Okay", "OK", "ok", "Sure", "All right", "Yes, please."]),
    ("no", "All right. Tell me if you need anything else.", ["No", "No!", "no", "No, thank you", "No thanks", "Nothing", "Not now."]),
    ("test", "Yes, I am here and it works.",
     ["Test", "test", "Testing", "This is a test", "Is this working?", "Are you there?", "Is anybody there?", "Does this work?", "Can you hear me?",
      "Ping", "Hello? Are you there?"]),
]
THOUGHTS = {"hello": "The user greets me. I greet back.", "thanks": "The user thanks me.", "bye": "The user says goodbye.",
            "joke": "The user wants a joke. I know one.", "how": "The user asks how I am."}


def make(draw):
    name, answer, wordings = draw.choice(INTENTS)
    if name in ("afternoon", "yes", "no", "tired") and draw.chance(0.4):
        name, answer, wordings = INTENTS[0]
    if draw.chance(0.08):
        return introduce(draw)
    text = draw.choice(wordings)
    return question("smalltalk", ("talk", text), text, answer, THOUGHTS.get(name, "This is small talk. A short answer will do."),
                    is_common=text in wordings[:5])


def introduce(draw):
    name = draw.name()
    frame = draw.choice(["My name is {}.", "I am {}.", "Hi, I'm {}.", "Hello, my name is {}.", "Hi, I am {}!", "Hello Ember, I am {}.",
                         "You can call me {}.", "Hey, my name is {}."])
    return question("smalltalk", ("introduce", name, frame), frame.format(name), f"Nice to meet you, {name}! How can I help you?",
                    f"The user is called {name}.")
