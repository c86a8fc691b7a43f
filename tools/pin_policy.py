"""What a PIN may be, how it is hashed, and how often it may be wrong.

Sources of the figures: NIST SP 800-63B 5.1.1 (at least six digits when a machine
chooses) and 5.1.3 (codes: at least 20 bits, at most ten minutes, once), OWASP Password
Storage (PBKDF2-HMAC-SHA512 with 220,000 rounds), and the arithmetic in docs/ on how far
a four digit PIN can be guessed.
"""

import re
import secrets
import unicodedata
from datetime import timedelta

from passlib.hash import pbkdf2_sha512

PIN_MIN_LENGTH = 4
PIN_MAX_LENGTH = 12
PIN_GENERATED_LENGTH = 6
PIN_INPUT_MAX_LENGTH = 64
"""Longer input is cut before anything is computed from it."""
PIN_HASH_ROUNDS = 220_000

WRONG_PINS_PER_ADDRESS = 5
WRONG_PINS_PER_LINK = 20
WRONG_PINS_WINDOW = timedelta(minutes=10)
WRONG_PINS_LOCK = timedelta(minutes=30)
WRONG_PINS_KILL_LINK = 25
WRONG_PINS_PER_CONTACT = 50
"""Over all links, until staff act: 0.5 % of the four digit PINs, ever."""

RENEWALS_PER_HOUR = 3
RENEWALS_PER_DAY = 10

VALUE_MIN_LENGTH = PIN_MIN_LENGTH
VALUE_MAX_LENGTH = 32
"""Of a contact's field that serves as PIN, as it is compared: typed with separators it
still fits into what is looked at."""

CODE_DIGITS = 6
"""19.9 bits: NIST asks for 20, or for a throttle, which there is."""
CODE_LIFE = timedelta(minutes=10)
CODE_TRIES = 5
CODE_PAUSE = timedelta(seconds=30)
"""Who asks again sooner, by a double click, keeps the code that is on its way."""
CODES_PER_HOUR = 3
CODES_PER_DAY = 10
ADDRESS_SETTLES = timedelta(days=7)
"""How long a changed address gets no codes unless somebody of the staff confirms it."""

_hasher = pbkdf2_sha512.using(rounds=PIN_HASH_ROUNDS)


class PinRefused(ValueError):
    """A PIN that may not be set; ``reason`` is one of ``digits``, ``length``,
    ``obvious``."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


def normalize(pin):
    """The digits of what somebody typed: any script's digits, no separators.

    People read a PIN from a phone or a letter and type it with spaces or hyphens.
    """
    text = unicodedata.normalize("NFKC", (pin or "")[:PIN_INPUT_MAX_LENGTH])
    return with_ascii_digits(re.sub(r"[\s\-.\u200e\u200f]+", "", text))


def check(pin, known_numbers=()):
    """Refuse a PIN that cannot serve.

    :param str pin: normalized
    :param known_numbers: numbers an attacker can know (the contact's phone): a PIN
        that is the tail of one is obvious
    :raise PinRefused: with the reason
    """
    if not (pin.isascii() and pin.isdigit()):
        raise PinRefused("digits")
    if not PIN_MIN_LENGTH <= len(pin) <= PIN_MAX_LENGTH:
        raise PinRefused("length")
    if is_obvious(pin) or any(tail_of(pin, number) for number in known_numbers):
        raise PinRefused("obvious")


def generate(known_numbers=()):
    """A random PIN of ``PIN_GENERATED_LENGTH`` digits that :func:`check` accepts."""
    while True:
        number = secrets.randbelow(10**PIN_GENERATED_LENGTH)
        pin = f"{number:0{PIN_GENERATED_LENGTH}d}"
        try:
            check(pin, known_numbers)
        except PinRefused:
            continue
        return pin


def hash_pin(pin):
    return _hasher.hash(pin)


def verify(pin, pin_hash):
    """Whether the PIN is right. Costly by design: look at the locks first."""
    return pbkdf2_sha512.verify(pin, pin_hash)


def needs_rehash(pin_hash):
    return _hasher.needs_update(pin_hash)


def with_ascii_digits(text):
    """The same text with the digits of all scripts written as 0 to 9."""
    digits = ((char, unicodedata.digit(char, None)) for char in text)
    return "".join(char if digit is None else str(digit) for char, digit in digits)


def is_obvious(pin):
    """All alike, counting up or down, or one group of characters over and over."""
    digits = pin.isascii() and pin.isdigit()
    places = [int(char) if digits else ord(char) for char in pin]
    steps = {b - a for a, b in zip(places, places[1:], strict=False)}
    if digits:
        steps = {step % 10 for step in steps}
    if len(steps) == 1 and steps <= {0, 1, -1, 9}:
        return True
    groups = [pin[:size] for size in range(1, len(pin) // 2 + 1)]
    return any(group * (len(pin) // len(group)) == pin for group in groups)


def tail_of(pin, number):
    """Whether a PIN is how a phone number ends."""
    return re.sub(r"\D", "", number or "").endswith(pin)
