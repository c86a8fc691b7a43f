import contextlib
import logging

from odoo import api, models
from odoo.exceptions import AccessError
from odoo.tools import config

from ..tools import keyring, private_file
from ..tools.keyring import Place

_logger = logging.getLogger(__name__)

FINGERPRINTS_PARAMETER = "secure_messaging.key_fingerprints"
"""Which keys this database needs. Not secret: a fingerprint does not open anything."""
KEY_FILE_NOT_FOR = 0o077
"""The key file is for the user Odoo runs as alone."""
CONFIG_NOT_FOR = 0o007
"""odoo.conf may be for Odoo's group, as some packages have it."""


class KeysUnavailable(AccessError):
    """Nothing can be sealed or opened; the text says what is missing.

    An ``AccessError``, because Odoo's upload route logs the file's name with any other.
    """


class SecureKeyring(models.AbstractModel):
    """The installation's keys, checked against what this database was sealed with."""

    _name = "secure.keyring"
    _description = "Secure Messaging Keys"

    @api.model
    def _ring(self):
        """The keys, all that this database needs among them.

        :raise KeysUnavailable: one is missing or unreadable; then nothing may be sent
            or shown, and above all no new key made
        """
        ring = self._load()
        if self.env.cr.cache.get("secure_keyring") is ring:
            return ring
        # sudo: names of keys, which whoever seals or opens needs; no key
        noted = self.env["ir.config_parameter"].sudo().get_param(FINGERPRINTS_PARAMETER)
        missing = [name for name in _listed(noted) if name not in ring.fingerprints]
        if missing:
            _logger.error(
                "Secure messaging is locked: missing the key with fingerprint %s",
                ", ".join(missing),
            )
            raise KeysUnavailable(
                self.env._(
                    "Secure messaging is locked, because the key with fingerprint "
                    "%(fingerprints)s is missing. Please restore it from its backup; "
                    "nothing can be sent or read until then.",
                    fingerprints=", ".join(missing),
                )
            )
        # Once in a transaction: Odoo empties this cache as one ends, also where a job
        # goes on with the same cursor. A change of keys makes another ring
        self.env.cr.cache["secure_keyring"] = ring
        return ring

    @api.model
    def _sealing_ring(self):
        """Like :meth:`_ring`, and the database notes the key that will seal."""
        ring = self._ring()
        if self.env.cr.cache.get("secure_key_noted") != ring.primary:
            if ring.primary not in self._needed():
                self._note_key(ring.primary)
            self.env.cr.cache["secure_key_noted"] = ring.primary
        return ring

    @api.model
    def _note_key(self, fingerprint):
        """Note that the database needs a key, before anything is sealed with it.

        In a transaction of its own: the caller may roll back and seal again, having
        noted it for the whole transaction.
        """
        with self.env.registry.cursor() as cr:
            own = self.with_env(self.env(cr=cr))
            needed = own._needed()
            if fingerprint not in needed:
                own._set_needed([*needed, fingerprint])

    @api.model
    def _seal(self, purpose, place, text):
        place = Place(*place)
        if (place.model, place.field, purpose) not in self._sealed_keys():
            raise NotImplementedError(f"{place.model}.{place.field} is not declared")
        return self._sealing_ring().seal_text(purpose, place, text)

    @api.model
    def _open(self, purpose, place, sealed):
        return self._ring().open_text(purpose, Place(*place), sealed)

    @api.model
    def _initialize(self):
        """Give a database without sealed content its first key; at once, as the module
        is installed, so that its backup can be asked for."""
        self.env.cr.execute(
            "SELECT pg_advisory_xact_lock(hashtext(%s))", ["secure.keyring"]
        )
        if self._needed() or self._has_sealed_content():
            return
        ring = keyring.load(config.get(keyring.CONFIG_OPTION), config["data_dir"])
        if not ring:
            keyring.create_key_file(config["data_dir"])
        self._set_needed([self._load().primary])

    @api.model
    def _new_key(self):
        """Put a new key before those of the key file.

        :return: (True, its fingerprint); or (False, a new key as text), when the keys
            are elsewhere and somebody has to put it there
        """
        if keyring.source(config.get(keyring.CONFIG_OPTION)) != "file":
            return False, keyring.new_key_text()
        self._ring()
        return True, keyring.add_key(config["data_dir"])

    @api.model
    def _status(self):
        """What settings show of the keys.

        :return: dict of ``source``, ``path`` (of a key file), ``primary`` and
            ``problem`` (text, empty when all is well)
        """
        place = keyring.source(config.get(keyring.CONFIG_OPTION))
        path = keyring.key_file(config["data_dir"]) if place == "file" else ""
        try:
            ring = self._ring()
        except KeysUnavailable as error:
            return {"source": place, "path": path, "primary": "", "problem": str(error)}
        return {"source": place, "path": path, "primary": ring.primary, "problem": ""}

    @api.model
    def _exposed_to(self):
        """Which file with keys others on this server can read; empty when none."""
        place = keyring.source(config.get(keyring.CONFIG_OPTION))
        path, others = {
            "environment": ("", 0),
            "config": (config["config"] or "", CONFIG_NOT_FOR),
            "file": (keyring.key_file(config["data_dir"]), KEY_FILE_NOT_FOR),
        }[place]
        return path if (private_file.mode_of(path) or 0) & others else ""

    def _register_hook(self):
        """Tell at once when a server starts without its keys, not at the first send.
        Nothing is made here, and nothing keeps Odoo from starting."""
        super()._register_hook()
        if not self._needed() and not self._has_sealed_content():
            return
        with contextlib.suppress(KeysUnavailable):
            # Says itself what is wrong
            self._ring()
        exposed = self._exposed_to()
        if exposed:
            _logger.warning("Others on this server can read the keys in %s", exposed)

    @api.model
    def _load(self):
        try:
            ring = keyring.load(config.get(keyring.CONFIG_OPTION), config["data_dir"])
        except keyring.KeyringError as error:
            _logger.error("Secure messaging is locked: %s", error)
            raise KeysUnavailable(
                self.env._("Secure messaging is locked: %(problem)s", problem=error)
            ) from error
        if ring:
            return ring
        if not self._needed() and not self._has_sealed_content():
            self._initialize()
            return self._load()
        path = keyring.key_file(config["data_dir"])
        needed = ", ".join(self._needed())
        _logger.error(
            "Secure messaging is locked: the key file %s is gone. Missing is the key "
            "with fingerprint %s",
            path,
            needed,
        )
        raise KeysUnavailable(
            self.env._(
                "Secure messaging is locked, because its key file %(path)s is gone. "
                "Please restore it from its backup; nothing can be sent or read until "
                "then.",
                path=path,
            )
        )

    @api.model
    def _needed(self):
        """Fingerprints of the keys this database needs, as they stand in its table: the
        parameter's cache may be older than the last key that was given up."""
        return _listed(self._parameter(FINGERPRINTS_PARAMETER))

    @api.model
    def _parameter(self, key):
        self.env["ir.config_parameter"].flush_model(["key", "value"])
        self.env.cr.execute(
            "SELECT value FROM ir_config_parameter WHERE key = %s", [key]
        )
        row = self.env.cr.fetchone()
        return (row and row[0]) or ""

    @api.model
    def _set_needed(self, fingerprints):
        value = ",".join(fingerprints)
        # sudo: names of keys; only sealing and rotation lead here, no user's request
        self.env["ir.config_parameter"].sudo().set_param(FINGERPRINTS_PARAMETER, value)
        self.env.cr.cache.pop("secure_keyring", None)

    @api.model
    def _has_sealed_content(self):
        self.env.cr.execute(
            """SELECT EXISTS (SELECT 1 FROM secure_thread)
                   OR EXISTS (SELECT 1 FROM secure_pin)"""
        )
        return self.env.cr.fetchone()[0]


def _listed(text):
    return [name for name in (text or "").split(",") if name]
