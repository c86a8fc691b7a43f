"""A contact's field as their PIN: how its value and what is typed become one text.

What people know by heart (a patient number, a date of birth) is written in many ways.
Spaces, punctuation and case make no difference; a date is its eight digits.
"""

import unicodedata

from . import pin_policy

CHAR, INTEGER, DATE = KINDS = ("char", "integer", "date")
"""Types of fields that can serve."""


def of_field(kind, value):
    """What a field's value is compared by; empty when there is none."""
    if not value:
        return ""
    if kind == DATE:
        return f"{value.day:02d}{value.month:02d}{value.year:04d}"
    return _plain(str(value))


def of_typed(kind, text):
    """What is typed at the gate, in the same form."""
    plain = _plain((text or "")[: pin_policy.PIN_INPUT_MAX_LENGTH])
    return plain.lstrip("0") if kind == INTEGER else plain


def check(text, known):
    """Refuse a value that cannot serve as a PIN.

    :param str text: as of :func:`of_field`
    :param known: what somebody who knows of the contact knows: names, addresses,
        numbers, as they are written
    :raise PinRefused: ``empty``, ``length`` or ``obvious``
    """
    if not text:
        raise pin_policy.PinRefused("empty")
    low, high = pin_policy.VALUE_MIN_LENGTH, pin_policy.VALUE_MAX_LENGTH
    if not low <= len(text) <= high:
        raise pin_policy.PinRefused("length")
    if pin_policy.is_obvious(text) or any(_tells(text, one) for one in known if one):
        raise pin_policy.PinRefused("obvious")


def _tells(text, known):
    """Whether a value is all of something known, one of its words, or stands in a
    number."""
    if pin_policy.piece_of(text, known):
        return True
    words = [known, *known.replace("@", " ").split()]
    return text in {_plain(word) for word in words}


def _plain(text):
    """Letters and digits only, without case, each written in one way."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = unicodedata.normalize("NFKC", folded)
    kept = (char for char in kept if unicodedata.category(char)[0] in "LMN")
    return pin_policy.with_ascii_digits("".join(kept))
