"""The digits of a one-time code. They stand nowhere: they are derived as the email or
SMS leaves, and again from what is stored and the key when somebody types them."""

from . import token
from .keyring import Purpose
from .pin_policy import CODE_DIGITS


def new_nonce():
    return token.new_nonce()


def derive(keyring, nonce, link_nonce, fingerprint):
    """The code of a nonce, for one link.

    A number of 256 bits decides among a million: none of them is likelier than another
    by more than one in 10^70.
    """
    message = ("code" + nonce + link_nonce).encode("ascii")
    number = int.from_bytes(keyring.mac(Purpose.CODES, message, fingerprint), "big")
    return f"{number % 10**CODE_DIGITS:0{CODE_DIGITS}d}"
