"""Tool calls in the form of Qwen 3.5 and answers from their results. Names of tools and parameters vary, so that the
definitions must be read; places, numbers and names are held out."""
import json

import identity
import knowledge
import smalltalk
import unknown
import words
from conversation import Sample, assistant, calls, tool_result, user
from draw import is_held


def definition(draw, name, text, parameters, required):
    properties = {}
    for key, (kind, about) in parameters.items():
        properties[key] = {"type": kind}
        if isinstance(about, list):
            properties[key]["enum"] = about
        elif draw.chance(0.6):
            properties[key]["description"] = about
    shape = {"type": "object", "properties": properties, "required": required}
    function = {"name": name, "description": text, "parameters": shape}
    if draw.chance(0.15):
        shape["additionalProperties"] = False
        function["strict"] = True
    return {"type": "function", "function": function}


class Tool:
    """One tool under names of this draw: its definition, and requests with their calls, results and answers."""

    def __init__(self, draw):
        self.draw = draw

    def pick(self, *options):
        return self.draw.choice(options)


class Weather(Tool):
    def __init__(self, draw):
        super().__init__(draw)
        self.name = self.pick("get_weather", "get_weather", "weather", "get_current_weather", "current_weather", "fetch_weather")
        self.place = self.pick("city", "location", "place")
        self.with_unit = draw.chance(0.3)
        parameters = {self.place: ("string", self.pick("The city", "Name of the city", "The place to look up", "City and country"))}
        if self.with_unit:
            parameters["unit"] = ("string", ["celsius", "fahrenheit"])
        text = self.pick("Get the weather of a city", "Get the current weather", "Current weather for a place", "Get current temperature for a given location.")
        self.tool = definition(draw, self.name, text, parameters, [self.place])

    def request(self, city=None):
        city = city or self.draw.city() + (self.pick(", France", ", Germany", ", Spain", ", Italy", ", Japan") if self.draw.chance(0.08) else "")
        text = self.pick("What is the weather in {}?", "How is the weather in {}?", "What's the weather like in {}?", "Is it raining in {}?", "How warm is it in {}?",
                         "Tell me the weather in {}.", "What is the weather like in {} today?", "Do I need an umbrella in {}?", "Weather in {}?", "How cold is it in {}?",
                         "Please check the weather in {}.", "What is the temperature in {}?").format(city)
        arguments = {self.place: city}
        unit = "C"
        if self.with_unit and self.draw.chance(0.6):
            word = self.pick("celsius", "fahrenheit")
            unit = word[0].upper()
            arguments["unit"] = word
            text = text[:-1] + f" in {word.capitalize()}" + text[-1]
        degrees, sky = self.draw.number(-5, 35) if unit == "C" else self.draw.number(30, 95), self.pick("sunny", "cloudy", "rainy", "windy", "foggy", "snowy", "clear")
        result = self.pick(json.dumps({"temperature": degrees, "condition": sky}), f"{degrees} degrees, {sky}", json.dumps({"condition": sky, "temperature": degrees}),
                           f"{sky}, {degrees}°{unit}", json.dumps({self.place: city, "temperature": degrees, "unit": unit, "condition": sky}, ensure_ascii=False))
        return text, arguments, result, f"It is {degrees} degrees and {sky} in {city}."


class Time(Tool):
    def __init__(self, draw):
        super().__init__(draw)
        self.name = self.pick("get_time", "get_time", "current_time", "get_current_time", "clock")
        self.place = self.pick("city", "location", "place")
        text = self.pick("Get the time in a city", "Tell the current time", "Current local time of a place")
        self.tool = definition(draw, self.name, text, {self.place: ("string", self.pick("The city", "Name of the city", "The place"))}, [self.place])

    def request(self):
        city = self.draw.city()
        text = self.pick("What time is it in {}?", "What is the time in {}?", "Tell me the time in {}.", "How late is it in {}?", "Please check the time in {}.",
                         "Do you know what time it is in {}?", "Current time in {}?", "What's the time in {} now?").format(city)
        time = f"{self.draw.number(0, 23):02}:{self.draw.number(0, 59):02}"
        result = self.pick(json.dumps({"time": time}), time, json.dumps({self.place: city, "time": time}, ensure_ascii=False))
        return text, {self.place: city}, result, f"It is {time} in {city}."


class Calculator(Tool):
    def __init__(self, draw):
        super().__init__(draw)
        self.name = self.pick("calculator", "calculate", "compute", "evaluate")
        self.parameter = self.pick("expression", "expression", "formula")
        text = self.pick("Evaluate an expression", "Calculate the value of an expression", "Do arithmetic")
        self.tool = definition(draw, self.name, text, {self.parameter: ("string", self.pick("Such as 2 + 2", "The expression to evaluate"))}, [self.parameter])

    def request(self):
        a, b, sign = self.draw.number(100, 9999), self.draw.number(11, 9999), self.pick("+", "-", "*", "/")
        spoken = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}[sign] if self.draw.chance(0.3) else sign
        text = self.pick("What is {}?", "Calculate {}.", "How much is {}?", "Compute {}.", "Please work out {}.", "What's {}?", "{}").format(f"{a} {spoken} {b}")
        value = {"+": a + b, "-": a - b, "*": a * b, "/": round(a / b, 2)}[sign]
        result = self.pick(str(value), json.dumps({"result": value}))
        return text, {self.parameter: f"{a} {sign} {b}"}, result, f"{a} {sign} {b} = {value}"


class Search(Tool):
    def __init__(self, draw):
        super().__init__(draw)
        self.name = self.pick("search", "web_search", "search_web", "lookup")
        self.parameter = self.pick("query", "query", "q", "text")
        text = self.pick("Search the web", "Look something up", "Find pages about a topic")
        self.tool = definition(draw, self.name, text, {self.parameter: ("string", self.pick("What to search for", "The search text"))}, [self.parameter])

    def request(self):
        topic = self.pick(f"{self.draw.thing()} prices", f"trains to {self.draw.city()}", f"hotels in {self.draw.city()}", f"{self.draw.name()} {self.draw.surname()}",
                          f"news from {self.draw.city()}", f"the history of {self.draw.city()}", f"museums in {self.draw.city()}", f"how to repair a {self.draw.thing()}")
        text = self.pick("Search for {}.", "Look up {}.", "Search the web for {}.", "Find something about {}.", "Please search for {}.", "Google {}.",
                         "Can you look up {}?", "Find {} on the web.").format(topic)
        title = self.pick(f"A guide by {self.draw.name()}", f"Ten tips from {self.draw.city()}", f"All about it, by {self.draw.name()}", f"The page of {self.draw.surname()}")
        result = self.pick(title, json.dumps({"title": title}), json.dumps([{"title": title}]))
        return text, {self.parameter: topic}, result, f'I found this: "{title}".'


class Timer(Tool):
    def __init__(self, draw):
        super().__init__(draw)
        self.name = self.pick("set_timer", "start_timer", "timer")
        self.parameter = self.pick("minutes", "duration_minutes")
        text = self.pick("Set a timer", "Start a timer that rings later")
        self.tool = definition(draw, self.name, text, {self.parameter: (self.pick("integer", "number"), "Minutes until it rings")}, [self.parameter])

    def request(self):
        count = self.draw.number(2, 90)
        text = self.pick("Set a timer for {} minutes.", "Start a timer of {} minutes.", "Please wake me in {} minutes.", "Timer, {} minutes!", "Set a {} minute timer.",
                         "I need a timer for {} minutes.").format(count)
        result = self.pick("ok", json.dumps({"status": "ok"}), json.dumps({"ok": True}), "Timer set.")
        return text, {self.parameter: count}, result, f"The timer rings in {count} minutes."


class Message(Tool):
    def __init__(self, draw):
        super().__init__(draw)
        self.name = self.pick("send_message", "send_mail", "send_text")
        self.to, self.body = self.pick("to", "recipient", "name"), self.pick("text", "message", "body")
        text = self.pick("Send a message to somebody", "Write to a person")
        self.tool = definition(draw, self.name, text, {self.to: ("string", "Who gets it"), self.body: ("string", "What it says")}, [self.to, self.body])

    def request(self):
        name = self.draw.name()
        body = self.pick(f"I will be {self.draw.number(2, 50)} minutes late", f"See you on {self.pick(*words.DAYS)}", "Happy birthday", f"Please buy a {self.draw.thing()}",
                         f"I am in {self.draw.city()}", "Call me back", f"The {self.draw.thing()} has arrived", f"Dinner is at {self.draw.number(5, 9)}")
        text = self.pick('Send "{b}" to {n}.', 'Write to {n}: {b}', 'Send {n} this message: {b}', 'Tell {n}: "{b}"', 'Send a message to {n} that says "{b}".').format(b=body, n=name)
        result = self.pick("sent", json.dumps({"status": "sent"}), json.dumps({"ok": True}))
        return text, {self.to: name, self.body: body}, result, f"I have sent the message to {name}."


class Convert(Tool):
    def __init__(self, draw):
        super().__init__(draw)
        self.name = self.pick("convert_currency", "currency", "exchange")
        self.keys = self.pick(("amount", "from", "to"), ("amount", "source", "target"), ("value", "from_currency", "to_currency"))
        text = self.pick("Convert money", "Convert an amount from one currency to another")
        kinds = [self.pick("number", "integer"), "string", "string"]
        about = ["How much", "Currency code", "Currency code"]
        self.tool = definition(draw, self.name, text, {key: (kind, what) for key, kind, what in zip(self.keys, kinds, about)}, list(self.keys))

    def request(self):
        amount, (one, other) = self.draw.number(2, 999), self.draw.sample(["EUR", "USD", "GBP", "CHF", "JPY", "SEK", "PLN", "CAD"], 2)
        text = self.pick("Convert {} {} to {}.", "How much is {} {} in {}?", "What are {} {} in {}?", "Please change {} {} into {}.").format(amount, one, other)
        value = self.draw.number(2, 1500)
        result = self.pick(str(value), json.dumps({"result": value}), f"{value} {other}")
        return text, dict(zip(self.keys, [amount, one, other])), result, f"{amount} {one} are {value} {other}."


class Other(Tool):
    """One of many tools with one parameter each, so that no name can be learnt by heart."""

    ROWS = [  # names, what it does, parameters, type, requests, value, answer
        ("play_song play_music", "Play a song", "title song name", "string", "Play {}.|Play the song {}.|I want to hear {}.", "phrase", "I am playing {}."),
        ("find_book get_book", "Find a book in the library", "title name", "string", "Find the book {}.|Do you have the book {}?|Look for the book {}.", "phrase", "I have found the book {}."),
        ("open_file read_file", "Read a file", "path file filename", "string", "Read the file {}.|Open {}.|What is in the file {}?", "file", "I have read {}."),
        ("call_person make_call phone", "Call a person by phone", "name person contact", "string", "Call {}.|Phone {}, please.|I want to talk to {}.", "name", "I am calling {}."),
        ("get_order order_status find_order", "Get the state of an order", "order_id id number", "integer", "Where is my order {}?|What is the state of order {}?|Check order {}.", "number", "Order {} is on its way."),
        ("get_stock_price stock_price quote", "Price of a stock", "symbol ticker", "string", "What is the price of {} stock?|Stock price of {}?|How is {} stock doing?", "symbol", "I have the price of {}."),
        ("turn_on_light light_on switch_light", "Turn on the light in a room", "room place", "string", "Turn on the light in the {}.|Light in the {}, please.|Switch on the light in the {}.", "room", "The light in the {} is on."),
        ("get_recipe find_recipe", "Find a recipe", "dish food name", "string", "How do I cook {}?|Find a recipe for {}.|I want to make {}.", "dish", "I have found a recipe for {}."),
        ("get_user find_user user_info", "Get what is known about a user", "user_id id", "integer", "Show me user {}.|Who is user {}?|Get the data of user {}.", "number", "I have found user {}."),
        ("roll_dice roll", "Roll a die", "sides faces", "integer", "Roll a die with {} sides.|Roll a {} sided die.|Throw a die with {} sides.", "sides", "I have rolled a die with {} sides."),
        ("set_temperature heat", "Set the heating", "degrees temperature", "integer", "Set the heating to {} degrees.|Make it {} degrees warm.|I want {} degrees.", "degrees", "The heating is set to {} degrees."),
        ("add_task create_task new_task", "Add a task to the list", "task text title", "string", "Add to my tasks: buy a {}|Add a task: buy a {}|Put this on my list: buy a {}", "thing", "I have added the task."),
        ("get_distance distance_to", "Distance to a city", "city destination", "string", "How far is it to {}?|What is the distance to {}?|How far away is {}?", "city", "I have the distance to {}."),
    ]

    def __init__(self, draw):
        super().__init__(draw)
        names, text, keys, kind, self.requests, self.value, self.answer = draw.choice(self.ROWS)
        self.name, self.key = self.pick(*names.split()), self.pick(*keys.split())
        self.tool = definition(draw, self.name, text, {self.key: (kind, text)}, [self.key])

    def make_value(self):
        draw = self.draw
        return {"phrase": lambda: draw.choice(["{0} {1}", "The {1} of {0}", "{0} and {1}", "My {1}"]).format(draw.made_up(), draw.name()), "name": draw.name, "city": draw.city, "thing": draw.thing,
                "file": lambda: draw.made_up().lower() + draw.choice([".txt", ".csv", ".md", ".json"]), "number": lambda: draw.number(100, 99999),
                "symbol": lambda: draw.made_up(2).upper()[:4], "room": lambda: draw.choice(["kitchen", "bedroom", "bathroom", "hall", "garden", "garage", "office", "cellar"]),
                "dish": lambda: draw.choice(["soup", "pasta", "rice", "pancakes", "salad", "curry", "stew", "pie"]) + " with " + draw.choice(["apples", "tomatoes", "cheese", "mushrooms", "beans", "fish"]),
                "sides": lambda: draw.number(3, 40), "degrees": lambda: draw.number(15, 26)}[self.value]()

    def request(self):
        value = self.make_value()
        text = self.pick(*self.requests.split("|")).format(value)
        result = self.pick("ok", json.dumps({"ok": True}), json.dumps({"status": "ok"}))
        return text, {self.key: "buy a " + value if self.value == "thing" else value}, result, self.answer.format(value)


KINDS = [Weather, Weather, Weather, Time, Time, Calculator, Calculator, Search, Search, Timer, Message, Convert, Other, Other, Other, Other]


def without(draw):
    """A question that needs no tool, or none of those that are there."""
    while True:
        sample = draw.choice([knowledge.make, smalltalk.make, identity.make])(draw)
        if sample.belongs(draw.held):
            return sample.messages[0]["content"], sample.messages[1]["content"]


def offered(draw, kind):
    """One tool that is needed among up to three, each of another kind."""
    others = [other for other in dict.fromkeys(KINDS) if other is not kind]
    tools = [kind(draw)] + [other(draw) for other in draw.sample(others, draw.choice([0, 0, 1, 1, 2]))]
    return tools[0], draw.shuffled(tools)


def exchange(draw, tool):
    while True:
        text, arguments, result, answer = tool.request()
        if is_held("request", text) == draw.held:
            break
    asked = calls([(tool.name, arguments)], f"I can use {tool.name} for this.")
    return [user(text), asked, tool_result(result), assistant(answer, "I have the result and can answer.")]


def expected_calls(message):
    made = [call["function"] for call in message["tool_calls"]]
    return json.dumps(made[0] if len(made) == 1 else made, ensure_ascii=False)


def make(draw):
    kind = draw.choice(KINDS)
    tool, tools = offered(draw, kind)
    definitions = [one.tool for one in tools]
    if draw.chance(0.1):
        text, answer = without(draw)
        if draw.chance(0.3) and not {Weather, Time, Search} & {type(one) for one in tools}:
            text, answer = draw.choice([Weather, Time])(draw).request()[0], unknown.NEWS_ANSWER
        messages = [user(text), assistant(answer, "I need no tool for this.")]
        if draw.chance(0.5):
            messages += exchange(draw, tool)
        return Sample("tools_unneeded", None, messages, definitions, expected=messages[1]["content"], target=1)
    if kind is Weather and draw.chance(0.12):
        cities = [tool.draw.city() for _ in range(2)]
        asked = calls([(tool.name, {tool.place: city}) for city in cities], f"I can use {tool.name} for both.")
        frame = draw.choice(["What is the weather in {} and in {}?", "Compare the weather in {} and {}.", "How warm is it in {} and {}?"])
        degrees = [(draw.number(-5, 35), draw.choice(["sunny", "cloudy", "rainy", "windy"])) for _ in cities]
        messages = [user(frame.format(*cities)), asked] + [tool_result(f"{warm} degrees, {sky}") for warm, sky in degrees]
        answer = " ".join(f"It is {warm} degrees and {sky} in {city}." for city, (warm, sky) in zip(cities, degrees))
        messages.append(assistant(answer, "I have the results and can answer."))
    else:
        messages = exchange(draw, tool)
        for _ in range(draw.choice([0, 1, 1, 2])):
            messages = exchange(draw, draw.choice(tools)) + messages
    places = [i for i, message in enumerate(messages) if message.get("tool_calls")]
    if draw.chance(0.6):
        target = places[-1]
        return Sample("tool_calls", None, messages, definitions, match="tool_call", expected=expected_calls(messages[target]), target=target)
    return Sample("tool_answers", None, messages, definitions, target=len(messages) - 1, expected=messages[-1]["content"])
