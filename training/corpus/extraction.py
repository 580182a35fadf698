"""Fields of a text as JSON. The prompt gives the fields or a schema; names, cities and things are held out."""
import json

import words
from conversation import question
from words import a

MAIL = ["example.com", "mail.com", "post.net", "home.org", "work.com"]


def person(draw):
    name = draw.name() + (" " + draw.surname() if draw.chance(0.4) else "")
    fields = {"name": name, "age": draw.number(18, 80), "city": draw.city(), "job": draw.choice(words.JOBS)}
    text = draw.choice([
        "{name} is {age} years old, lives in {city} and works as {a_job}.", "{name} ({age}) from {city} is {a_job}.", "My name is {name}. I am {age} and I live in {city}. I am {a_job}.",
        "In {city} we met {name}, {a_job}, who is {age} years old.", "{name}, aged {age}, works as {a_job} in {city}.", "I am {name}, {a_job} from {city}, {age} years old."])
    return fields, text.format(a_job=a(fields["job"]), **fields)


def order(draw):
    fields = {"customer": draw.name(), "product": draw.thing(), "quantity": draw.number(2, 90), "price": draw.number(2, 99), "city": draw.city()}
    text = draw.choice([
        "{customer} from {city} ordered {quantity} pieces of the {product} for {price} euros each.", "Order: {quantity} x {product}, {price} euros each. Customer: {customer}, {city}.",
        "Please send {quantity} of the {product} to {customer} in {city}. The price is {price} euros each.",
        "{customer} in {city} pays {price} euros each for {quantity} times the {product}."])
    return fields, text.format(**fields)


def meeting(draw):
    fields = {"title": draw.choice(["budget meeting", "team lunch", "project review", "dentist visit", "piano lesson", "book club", "job interview", "planning call"]),
              "day": draw.choice(words.DAYS), "time": f"{draw.number(7, 20)}:{draw.choice(['00', '15', '30', '45'])}", "person": draw.name(), "city": draw.city()}
    text = draw.choice([
        "The {title} with {person} is on {day} at {time} in {city}.", "On {day} at {time} I have the {title} with {person} in {city}.",
        "Reminder: {title}, {day}, {time}, {city}. {person} will be there.", "{person} invites you to the {title} in {city} on {day} at {time}."])
    return fields, text.format(**fields)


def contact(draw):
    first, last = draw.name(), draw.surname()
    fields = {"name": f"{first} {last}", "email": f"{first.lower()}@{draw.choice(MAIL)}", "phone": "0" + "".join(str(draw.number(0, 9)) for _ in range(6)), "city": draw.city()}
    text = draw.choice([
        "You can reach {name} in {city} at {email} or by phone at {phone}.", "Contact: {name}, {city}, phone {phone}, email {email}.",
        "Write to {email} or call {phone} and ask for {name} in {city}.", "{name} moved to {city}. The new number is {phone}, the address is {email}."])
    return fields, text.format(**fields)


def item(draw):
    fields = {"product": draw.thing(), "colour": draw.choice(words.COLOURS), "price": draw.number(2, 99), "in_stock": draw.chance(0.5)}
    text = draw.choice(["The {colour} {product} costs {price} euros and is {state}.", "For sale: {product}, {colour}, {price} euros, {state}.",
                        "We sell a {colour} {product} for {price} euros. It is {state}."])
    return fields, text.format(state="in stock" if fields["in_stock"] else "sold out", **fields)


def trip(draw):
    fields = {"name": draw.name(), "from": draw.city(), "to": draw.city(), "day": draw.choice(words.DAYS), "price": draw.number(9, 400)}
    text = draw.choice(["{name} travels from {from} to {to} on {day} for {price} euros.", "Ticket for {name}: {from} to {to}, {day}, {price} euros.",
                        "On {day} {name} flies from {from} to {to}. The flight costs {price} euros.", "{name} pays {price} euros for the train to {to} on {day}. It leaves from {from}."])
    return fields, text.format(**fields)


def schema(fields):
    kinds = {str: "string", int: "integer", bool: "boolean"}
    return json.dumps({"type": "object", "properties": {key: {"type": kinds[type(value)]} for key, value in fields.items()}, "required": list(fields)})


ASK = ["Extract {keys} as JSON.\n\nText: {text}", "Extract the fields as JSON.\nFields: {keys}\nText: {text}", "Return a JSON object with the keys {keys}.\n\n{text}",
       "{text}\n\nGive me {keys} as JSON.", "Turn this into JSON with the keys {keys}: {text}", "Fill this schema from the text.\nSchema: {schema}\nText: {text}",
       "Extract JSON that fits this schema: {schema}\n\n{text}", "Read the text and answer with JSON only ({keys}).\n\n{text}"]


def make(draw):
    kind = draw.choice([person, person, order, meeting, contact, item, trip])
    fields, text = kind(draw)
    wanted = draw.shuffled(list(fields))[:draw.number(2, len(fields))]
    chosen = {key: fields[key] for key in wanted}
    key_list = ", ".join(wanted) if draw.chance(0.6) or len(wanted) < 2 else ", ".join(wanted[:-1]) + " and " + wanted[-1]
    prompt = draw.choice(ASK).format(keys=key_list, text=text, schema=schema(chosen))
    return question("extraction", None, prompt, json.dumps(chosen, ensure_ascii=False), "I copy the values from the text.", match="json")
