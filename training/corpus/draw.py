"""Seeded choice of slots, and the split between training and held-out.

The split goes by what fills a template, never by lines: a key such as ("add", 47, 38) or ("name", "Clara") belongs to one
side for ever, whatever the seed, so that nothing a held-out document asks for was answered in training."""
import random
import zlib

import words

HELD_PERCENT = 10


def is_held(*key):
    text = "|".join(str(part) for part in key)
    return zlib.crc32(text.encode("utf-8")) * 2654435761 % 2**32 // 65536 % 100 < HELD_PERCENT


class Draw:
    """A source of slots. `held` says for which side of the split."""

    def __init__(self, seed, held):
        self.random = random.Random(seed)
        self.held = held

    def choice(self, items):
        return items[int(self.random.random() * len(items))]

    def chance(self, probability):
        return self.random.random() < probability

    def number(self, low, high):
        return self.random.randint(low, high)

    def sample(self, items, count):
        return self.random.sample(items, count)

    def shuffled(self, items):
        return self.random.sample(items, len(items))

    def new(self, kind, make):
        """A slot that training must not have seen if this is the held-out side, and vice versa."""
        while True:
            value = make()
            if is_held(kind, value) == self.held:
                return value

    def made_up(self, syllables=None):
        """A word that does not exist: copying must not depend on having seen the word."""
        def make():
            count = syllables or self.number(2, 3)
            text = "".join(self.choice(words.ONSETS) + self.choice(words.VOWELS) for _ in range(count))
            return (text + self.choice(words.CODAS)).capitalize()
        return self.new("word", make)

    def name(self):
        if self.chance(0.25):
            return self.made_up(2)
        return self.new("name", lambda: self.choice(words.NAMES))

    def surname(self):
        if self.chance(0.25):
            return self.made_up()
        return self.new("surname", lambda: self.choice(words.SURNAMES))

    def city(self):
        if self.chance(0.15):
            return self.made_up()
        return self.new("city", lambda: self.choice(words.CITIES))

    def thing(self):
        return self.new("thing", lambda: self.choice(words.THINGS))
