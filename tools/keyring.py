"""Keys, and the one way to seal and to open. Nothing else touches a key.

A sealed value is ``version || key fingerprint || nonce || AES-256-GCM ciphertext and
tag``, in base64 where a column holds it. It names its key, so that several keys can
live side by side while one replaces another. The associated data binds it to a model, a
record's random uid and a field: moved elsewhere, it does not open.
"""

import base64
import binascii
import contextlib
import enum
import functools
import hashlib
import hmac
import os
import re
import secrets
from collections import namedtuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from . import private_file

KEY_BYTES = 32
"""AES-256."""
NONCE_BYTES = 12
"""96 bits: what GCM is specified for (NIST SP 800-38D, 8.2)."""
TAG_BYTES = 16
FINGERPRINT_BYTES = 8
UID_BYTES = 16
VERSION = b"\x01"
OVERHEAD_BYTES = len(VERSION) + FINGERPRINT_BYTES + NONCE_BYTES + TAG_BYTES

ENVIRONMENT_VARIABLE = "SECURE_MESSAGING_KEYS"
CONFIG_OPTION = "secure_messaging_keys"
KEY_FILE_NAME = "secure_messaging.key"

Place = namedtuple("Place", ("model", "uid", "field"))
"""Where a sealed value lives; part of what its tag vouches for."""


class Purpose(enum.Enum):
    """What a derived key is for; one key never serves two purposes."""

    CONTENT = b"content"
    FILES = b"files"
    LINKS = b"links"
    FORMS = b"forms"
    PSEUDONYMS = b"pseudonyms"
    PINS = b"pins"
    CODES = b"codes"
    LOG = b"log"


class KeyringError(Exception):
    """The keys are unreadable or malformed; the text says what to repair."""


class KeyMissing(KeyringError):
    """A sealed value names a key that is not in the ring."""

    def __init__(self, fingerprint):
        super().__init__(f"key {fingerprint} is not available")
        self.fingerprint = fingerprint


class SealBroken(KeyringError):
    """A sealed value was changed, or does not belong where it was found."""


class Keyring:
    """The keys of one installation: the first seals, all open."""

    def __init__(self, keys):
        """:param list keys: each of ``KEY_BYTES`` bytes, the sealing one first"""
        if not keys:
            raise KeyringError("the list of keys is empty")
        self._keys = {_fingerprint(key): key for key in keys}
        self.primary = next(iter(self._keys))

    @property
    def fingerprints(self):
        return tuple(self._keys)

    def seal(self, purpose, place, data):
        """Encrypt ``data`` for one place.

        :param Purpose purpose: which derived key to use
        :param Place place: model, random uid and field the value is for
        :param bytes data: what to seal
        :return: bytes, ``OVERHEAD_BYTES`` longer than ``data``
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        cipher = AESGCM(self._derive(self.primary, purpose))
        sealed = cipher.encrypt(nonce, data, _associated_data(place))
        head = VERSION + bytes.fromhex(self.primary)
        return head + nonce + sealed

    def seal_text(self, purpose, place, text):
        """Like :meth:`seal`, from text to text, for a column."""
        return base64.b64encode(self.seal(purpose, place, text.encode())).decode()

    def open_text(self, purpose, place, sealed):
        """Like :meth:`open`, for what :meth:`seal_text` made."""
        return self.open(purpose, place, _decode(sealed)).decode()

    def open(self, purpose, place, sealed):
        """Decrypt what :meth:`seal` made.

        :raise KeyMissing: its key is not in the ring
        :raise SealBroken: changed, or moved from another place
        :return: bytes
        """
        fingerprint, nonce, ciphertext = _split(sealed)
        cipher = AESGCM(self._derive(fingerprint, purpose))
        try:
            return cipher.decrypt(nonce, ciphertext, _associated_data(place))
        except InvalidTag as error:
            raise SealBroken(f"{place.model}.{place.field} does not open") from error

    def reseal_text(self, purpose, place, sealed):
        """What :meth:`seal_text` made, under the first key."""
        return self.seal_text(purpose, place, self.open_text(purpose, place, sealed))

    def mac(self, purpose, message, fingerprint=None):
        """HMAC-SHA256 of ``message`` (bytes) under the named key, else the first."""
        key = self._derive(fingerprint or self.primary, purpose)
        return hmac.new(key, message, hashlib.sha256).digest()

    def pseudonyms(self, text):
        """Names for something whose own must not be stored, which tell nothing without
        the key: one by each, so that nobody is a stranger when a key comes or goes.
        """
        return [
            self.mac(Purpose.PSEUDONYMS, text.encode(), fingerprint).hex()[:32]
            for fingerprint in self.fingerprints
        ]

    @functools.lru_cache(maxsize=64)  # noqa: B019 - a ring lives as long as a process
    def _derive(self, fingerprint, purpose):
        try:
            key = self._keys[fingerprint]
        except KeyError:
            raise KeyMissing(fingerprint) from None
        info = b"secure_messaging/" + purpose.value
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(key)


def text_head(fingerprint):
    """How all that :meth:`Keyring.seal_text` makes under a key begins: version and
    fingerprint have a multiple of three bytes, so that base64 ends a character there.
    """
    return base64.b64encode(VERSION + bytes.fromhex(fingerprint)).decode()


def new_uid():
    """A random name for a record, known before the record has an id."""
    return secrets.token_hex(UID_BYTES)


def load(config_value, data_dir):
    """The ring of this installation, from wherever its keys are.

    The environment wins over odoo.conf, and both over the key file beside the
    filestores. A missing key file is not made here: only :func:`create_key_file`
    does that, when no database needs another key.

    :param str config_value: odoo.conf's ``secure_messaging_keys``, may be empty
    :param str data_dir: Odoo's data directory
    :return: ``Keyring``, or None when there is no key anywhere yet
    """
    given = os.environ.get(ENVIRONMENT_VARIABLE) or config_value
    if given:
        return _parse(given)
    try:
        status = os.stat(key_file(data_dir))
    except FileNotFoundError:
        return None
    return _read_key_file(key_file(data_dir), status.st_mtime_ns, status.st_ino)


def source(config_value):
    """Where the keys come from: ``environment``, ``config`` or ``file``."""
    if os.environ.get(ENVIRONMENT_VARIABLE):
        return "environment"
    return "config" if config_value else "file"


def key_file(data_dir):
    return os.path.join(data_dir, KEY_FILE_NAME)


def create_key_file(data_dir):
    """Make the key file, unless it is there already.

    O_EXCL: of two processes that both found none, one writes and the other reads.
    """
    path = key_file(data_dir)
    draft = private_file.write_draft(path, f"{new_key_text()}\n")
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)


def add_key(data_dir):
    """Put a new key before those of the key file, which all still open.

    Of two at once, one waits for the other: else the second would write the file
    without the first's key, which may have sealed something by then.

    :return: its fingerprint
    """
    path = key_file(data_dir)
    key = new_key_text()
    with private_file.locked(data_dir):
        with open(path, encoding="ascii") as stream:
            old = stream.read()
        draft = private_file.write_draft(path, f"{key}\n{old}")
        status = os.stat(path)
        os.chown(draft, status.st_uid, status.st_gid)
        os.replace(draft, path)
    return _fingerprint(_decode_key(key))


def new_key_text():
    """A new key as it stands in odoo.conf or the environment."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


@functools.lru_cache(maxsize=4)
def _read_key_file(path, _mtime, _inode):
    try:
        with open(path, encoding="ascii") as stream:
            return _parse(stream.read())
    except (OSError, UnicodeDecodeError) as error:
        raise KeyringError(f"the key file {path} cannot be read: {error}") from error


@functools.lru_cache(maxsize=8)
def _parse(text):
    keys = [_decode_key(part) for part in re.split(r"[\s,;]+", text) if part]
    return Keyring(keys)


def _decode_key(text):
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise KeyringError("a key is not valid base64") from error
    if len(key) != KEY_BYTES:
        raise KeyringError(f"a key has {len(key)} bytes instead of {KEY_BYTES}")
    return key


def _fingerprint(key):
    digest = hashlib.sha256(b"secure_messaging/fingerprint" + key).digest()
    return digest[:FINGERPRINT_BYTES].hex()


def _associated_data(place):
    return "\0".join(place).encode()


def _decode(text):
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise SealBroken("not a sealed value") from error


def _split(sealed):
    if len(sealed) < OVERHEAD_BYTES or sealed[:1] != VERSION:
        raise SealBroken("not a sealed value")
    head = len(VERSION) + FINGERPRINT_BYTES
    nonce_end = head + NONCE_BYTES
    fingerprint = bytes(sealed[len(VERSION) : head]).hex()
    return fingerprint, sealed[head:nonce_end], sealed[nonce_end:]
