"""The token in a link: a public id, then a MAC over it. Never stored.

Letters and digits only: mail programs cut a link at trailing punctuation, and a
double click selects all of it.
"""

import hashlib
import hmac
import secrets

from .keyring import KeyMissing, Purpose

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PUBLIC_ID_BYTES = 8
"""64 random bits name the link (security statement 1)."""
MAC_BYTES = 16
"""128 bits of MAC make it unguessable (security statement 1)."""
PUBLIC_ID_LENGTH = 11
MAC_LENGTH = 22
TOKEN_LENGTH = PUBLIC_ID_LENGTH + MAC_LENGTH
NONCE_BYTES = 16


def encode(data, length):
    """Base 62 of ``data`` in exactly ``length`` characters."""
    number = int.from_bytes(data, "big")
    digits = []
    for _position in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def new_public_id():
    return encode(secrets.token_bytes(PUBLIC_ID_BYTES), PUBLIC_ID_LENGTH)


def new_nonce():
    return secrets.token_hex(NONCE_BYTES)


def new_secret():
    """A secret of 256 random bits for a cookie, in letters and digits."""
    return encode(secrets.token_bytes(32), 43)


def is_well_formed(token):
    return len(token) == TOKEN_LENGTH and all(char in ALPHABET for char in token)


def derive(keyring, public_id, nonce, thread_uid, fingerprint):
    """The token of a link, from what is stored and a key that is not.

    All parts of the MAC's message have a fixed length, so that no two links share one.
    """
    message = (public_id + nonce + thread_uid).encode("ascii")
    mac = keyring.mac(Purpose.LINKS, message, fingerprint)[:MAC_BYTES]
    return public_id + encode(mac, MAC_LENGTH)


def digest(token):
    """What tells a token from others without giving it away."""
    return hashlib.sha256(token.encode()).hexdigest()


def verify(keyring, token, link, proof=""):
    """Whether ``token`` belongs to ``link``; as slow for a link that is not there.

    :param link: tuple (public id, nonce, thread uid, fingerprint), or None
    :param proof: the token's :func:`digest`, kept for when its key is gone
    """
    public_id, nonce, thread_uid, fingerprint = link or _absent(keyring)
    try:
        expected = derive(keyring, public_id, nonce, thread_uid, fingerprint)
    except KeyMissing:
        derive(keyring, *_absent(keyring))
        return hmac.compare_digest(proof or "", digest(token))
    return hmac.compare_digest(expected.encode(), token.encode()) and bool(link)


def _absent(keyring):
    return "0" * PUBLIC_ID_LENGTH, "0" * 32, "0" * 32, keyring.primary
