"""Greetings in German, French and Spanish, and single words."""
from conversation import question

TALK = [
    ("de", "Hallo! Wie kann ich helfen?", ["Hallo", "Hallo!", "Guten Tag", "Guten Tag!", "Servus", "Grüß dich", "Hallo Ember", "Moin", "Hallo, Ember!"]),
    ("de", "Guten Morgen! Wie kann ich helfen?", ["Guten Morgen", "Guten Morgen!", "Guten Morgen, Ember", "Guten Morgen Ember!"]),
    ("de", "Guten Abend! Wie kann ich helfen?", ["Guten Abend", "Guten Abend!", "Guten Abend, Ember"]),
    ("de", "Mir geht es gut, danke. Wie kann ich helfen?", ["Wie geht es dir?", "Wie geht's?", "Wie geht es Ihnen?", "Hallo, wie geht es dir?", "Na, wie geht's?"]),
    ("de", "Ich bin Ember, das kleine Demo-Modell von hearth.", ["Wer bist du?", "Wie heißt du?", "Was bist du?", "Wer sind Sie?", "Hallo, wer bist du?"]),
    ("de", "Gern geschehen!", ["Danke", "Danke!", "Vielen Dank", "Vielen Dank!", "Danke schön", "Danke sehr!"]),
    ("de", "Auf Wiedersehen! Einen schönen Tag noch.", ["Tschüss", "Tschüss!", "Auf Wiedersehen", "Bis bald", "Bis später!", "Auf Wiedersehen!"]),
    ("de", "Nur ein paar Worte. Auf Englisch kann ich mehr.", ["Sprichst du Deutsch?", "Kannst du Deutsch?", "Kannst du Deutsch sprechen?", "Verstehst du Deutsch?"]),
    ("fr", "Bonjour ! Comment puis-je vous aider ?", ["Bonjour", "Bonjour !", "Salut", "Salut !", "Bonjour Ember", "Bonjour!", "Coucou", "Salut, Ember"]),
    ("fr", "Bonsoir ! Comment puis-je vous aider ?", ["Bonsoir", "Bonsoir !", "Bonsoir Ember", "Bonsoir!"]),
    ("fr", "Je vais bien, merci. Comment puis-je vous aider ?", ["Comment ça va ?", "Ça va ?", "Comment allez-vous ?", "Comment vas-tu ?", "Bonjour, ça va ?"]),
    ("fr", "Je suis Ember, le petit modèle de démonstration de hearth.", ["Qui es-tu ?", "Qui êtes-vous ?", "Comment tu t'appelles ?", "Comment vous appelez-vous ?", "Tu es qui ?"]),
    ("fr", "De rien !", ["Merci", "Merci !", "Merci beaucoup", "Merci bien", "Merci beaucoup !", "Merci!"]),
    ("fr", "Au revoir ! Bonne journée.", ["Au revoir", "Au revoir !", "À bientôt", "À plus tard", "Bonne journée", "À demain !"]),
    ("fr", "Seulement quelques mots. En anglais, j'en sais plus.", ["Parles-tu français ?", "Parlez-vous français ?", "Tu parles français ?", "Vous parlez français ?"]),
    ("es", "¡Hola! ¿En qué puedo ayudarte?", ["Hola", "¡Hola!", "Hola Ember", "Hola!", "Buenas", "Hola, ¿qué tal?", "¡Hola, Ember!"]),
    ("es", "¡Buenos días! ¿En qué puedo ayudarte?", ["Buenos días", "¡Buenos días!", "Buenos días, Ember", "Buenos dias"]),
    ("es", "¡Buenas tardes! ¿En qué puedo ayudarte?", ["Buenas tardes", "¡Buenas tardes!", "Buenas tardes, Ember"]),
    ("es", "Estoy bien, gracias. ¿En qué puedo ayudarte?", ["¿Cómo estás?", "¿Qué tal?", "¿Cómo está usted?", "¿Qué tal estás?", "Hola, ¿cómo estás?"]),
    ("es", "Soy Ember, el pequeño modelo de demostración de hearth.", ["¿Quién eres?", "¿Cómo te llamas?", "¿Quién es usted?", "¿Qué eres?", "Hola, ¿quién eres?"]),
    ("es", "¡De nada!", ["Gracias", "¡Gracias!", "Muchas gracias", "¡Muchas gracias!", "Mil gracias", "Gracias, Ember"]),
    ("es", "¡Adiós! Que tengas un buen día.", ["Adiós", "¡Adiós!", "Hasta luego", "Hasta pronto", "Hasta mañana", "Chao"]),
    ("es", "Solo unas palabras. En inglés sé más.", ["¿Hablas español?", "¿Habla usted español?", "¿Sabes español?", "¿Puedes hablar español?"]),
]
LANGUAGES = ["German", "French", "Spanish"]
WORDS = [line.split("|") for line in """hello|Hallo|Bonjour|Hola
good morning|Guten Morgen|Bonjour|Buenos días
good evening|Guten Abend|Bonsoir|Buenas tardes
good night|Gute Nacht|Bonne nuit|Buenas noches
thank you|Danke|Merci|Gracias
please|Bitte|S'il vous plaît|Por favor
goodbye|Auf Wiedersehen|Au revoir|Adiós
yes|Ja|Oui|Sí
no|Nein|Non|No
water|Wasser|Eau|Agua
bread|Brot|Pain|Pan
milk|Milch|Lait|Leche
house|Haus|Maison|Casa
dog|Hund|Chien|Perro
cat|Katze|Chat|Gato
friend|Freund|Ami|Amigo
book|Buch|Livre|Libro
sun|Sonne|Soleil|Sol
moon|Mond|Lune|Luna
fire|Feuer|Feu|Fuego
red|Rot|Rouge|Rojo
blue|Blau|Bleu|Azul
green|Grün|Vert|Verde
one|Eins|Un|Uno
two|Zwei|Deux|Dos
three|Drei|Trois|Tres
today|Heute|Aujourd'hui|Hoy
tomorrow|Morgen|Demain|Mañana
school|Schule|École|Escuela
bridge|Brücke|Pont|Puente""".split("\n")]
ASK = ['How do you say "{w}" in {l}?', "What is {w} in {l}?", 'Translate "{w}" into {l}.', "Say {w} in {l}.", "What is the {l} word for {w}?",
       "How do I say {w} in {l}?", 'What does "{w}" mean in {l}?', "Translate {w} to {l}"]
BACK = ['What does "{x}" mean?', 'What is "{x}" in English?', 'Translate "{x}" into English.', 'What does the {l} word "{x}" mean in English?']


def make(draw):
    if draw.chance(0.5):
        _, answer, wordings = draw.choice(TALK)
        text = draw.choice(wordings)
        return question("languages", ("foreign", text), text, answer, "The user writes in another language. I answer in it.",
                        is_common=text in wordings[:2])
    row = draw.choice(WORDS)
    place = draw.number(0, 2)
    language, word, foreign = LANGUAGES[place], row[0], row[place + 1]
    if draw.chance(0.3) and sum(foreign in other for other in WORDS) == 1 and row.count(foreign) == 1 and foreign not in ("No", "Pan", "Chat"):
        frame = draw.choice(BACK)
        return question("languages", ("back", foreign, frame), frame.format(x=foreign, l=language), f'"{foreign}" is {language} for "{word}".',
                        f"{foreign} is {language}.")
    frame = draw.choice(ASK)
    return question("languages", ("word", word, language, frame), frame.format(w=word, l=language), f'"{word.capitalize()}" is "{foreign}" in {language}.',
                    f"I need the {language} word for {word}.")
