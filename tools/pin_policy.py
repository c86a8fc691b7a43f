"""What a PIN may be, how it is hashed, and how often it may be wrong.

Sources of the figures: NIST SP 800-63B 5.1.1 (at least six digits when a machine
chooses) and 5.1.3 (codes: at least 20 bits, at most ten minutes, once), OWASP Password
Storage (PBKDF2-HMAC-SHA512 with 220,000 rounds), and the arithmetic in docs/ on how far
a four digit PIN can be guessed. What people choose most often, and is refused: D. Wang
et al., Understanding Human-Chosen PINs (2017), and J. Bonneau et al., A Birthday
Present Every Eleven Wallets? (2012).
"""

import itertools
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
KEYPAD_LINES = frozenset(
    {"123", "456", "789", "147", "258", "369", "159", "357", "1470", "2580", "3690"}
)
"""Straight over the keys of a telephone; each counts in both directions."""
YEARS_OBVIOUS = range(1900, 2100)
"""As four digits: somebody's year of birth. Longer dates pass: which is whose is not
known here, and they are a tenth of all PINs of six digits."""

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

_SEPARATORS = re.compile(r"[\s\-.\u200e\u200f]+")
_LINES_BOTH_WAYS = KEYPAD_LINES | {line[::-1] for line in KEYPAD_LINES}
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
    return with_ascii_digits(_SEPARATORS.sub("", text))


def check(pin, known_numbers=()):
    """Refuse a PIN that cannot serve.

    :param str pin: normalized
    :param known_numbers: numbers an attacker can know (the contact's phone): a PIN
        that is a piece of one is obvious
    :raise PinRefused: with the reason
    """
    if not (pin.isascii() and pin.isdigit()):
        raise PinRefused("digits")
    if not PIN_MIN_LENGTH <= len(pin) <= PIN_MAX_LENGTH:
        raise PinRefused("length")
    obvious = is_obvious(pin) or _is_year(pin)
    if obvious or any(piece_of(pin, number) for number in known_numbers):
        raise PinRefused("obvious")


def is_in_text(pin, text):
    """Whether a PIN stands in a text or HTML, be it in groups."""
    return pin in _SEPARATORS.sub("", _shown(text))


def possible_pins(text):
    """What in a text could be a PIN: numbers as long as one, be they in groups."""
    joined = re.sub(r"(?<=\d)[\s\-.]+(?=\d)", "", _shown(text))
    found = set(re.findall(r"[0-9]+", joined))
    return {one for one in found if PIN_MIN_LENGTH <= len(one) <= PIN_MAX_LENGTH}


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


def _shown(text):
    """A text as its reader sees it: without tags, its digits ASCII."""
    shown = unicodedata.normalize("NFKC", re.sub(r"<[^>]*>", " ", text or ""))
    return with_ascii_digits(shown)


def is_obvious(text):
    """Counting, repeating, or, of digits, straight over the keypad."""
    return _counts(text) or _repeats(text) or _along_keypad(text)


def _is_year(pin):
    return len(pin) == 4 and int(pin) in YEARS_OBVIOUS


def _counts(text):
    """All alike, or up or down by one; also with each character typed twice or more, as
    in 112233. After 9 comes 0."""
    for times in range(1, len(text) // 2 + 1):
        if text == "".join(char * times for char in text[::times]):
            pairs = itertools.pairwise(text[::times])
            steps = {_step(one, other) for one, other in pairs}
            if steps in ({0}, {1}, {-1}):
                return True
    return False


def _step(one, other):
    """How far it is from a character to the next; -1, 0 or 1 is obvious."""
    if one.isascii() and one.isdigit() and other.isascii() and other.isdigit():
        return (int(other) - int(one) + 1) % 10 - 1
    return ord(other) - ord(one)


def _repeats(text):
    """One group of characters over and over."""
    groups = [text[:size] for size in range(1, len(text) // 2 + 1)]
    return any(group * (len(text) // len(group)) == text for group in groups)


def _along_keypad(pin):
    """Nothing but straight lines of keys, as in 2580 and 147258."""
    return not pin or any(
        pin.startswith(line) and _along_keypad(pin[len(line) :])
        for line in _LINES_BOTH_WAYS
    )


def piece_of(pin, number):
    """Whether a PIN stands in a number."""
    return pin in re.sub(r"\D", "", number or "")
