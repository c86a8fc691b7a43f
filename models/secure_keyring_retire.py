"""Keys that are not needed any more: when they may go, and what settings say of it."""

import logging

from odoo import api, fields, models

_logger = logging.getLogger(__name__)

RETIRING_PARAMETER = "secure_messaging.key_retiring"
"""Keys under which nothing was found any more, and since when, as
``fingerprint,...@time``: transactions that began before may still seal with them."""


class SecureKeyringRetire(models.AbstractModel):
    _inherit = "secure.keyring"

    @api.model
    def _retire(self, progress):
        """The database forgets the other keys, once nobody can be sealing with them.

        A transaction that began while they were noted may still do so. It is waited
        for, and looked for again; until then they may not be removed.

        :return: whether they may
        """
        primary = self._ring().primary
        others = [name for name in self._needed() if name != primary]
        if others:
            self._set_retiring(sorted({*others, *self._retiring()}))
            self._set_needed([primary])
            progress.note(0)
            # Only now, in another transaction: nobody can have read the old list since
            self._set_retiring(self._retiring(), self._now())
            progress.note(0)
        if not self._retiring():
            return True
        if not self._retiring_since():
            self._set_retiring(self._retiring(), self._now())
            progress.note(0)
        if self._is_older_work_under_way():
            return False
        if self._sealed_counts()[0]:
            self._set_needed([primary, *self._retiring()])
            self._set_retiring([])
            progress.note(0)
            return False
        removable = ", ".join(self._retiring())
        _logger.info("All is sealed with the key %s; may go: %s", primary, removable)
        self._set_retiring([])
        progress.note(0)
        return True

    @api.model
    def _retiring(self):
        """Fingerprints of the keys that are about to be given up."""
        names = self._retiring_text().partition("@")[0]
        return [name for name in names.split(",") if name]

    @api.model
    def _retiring_since(self):
        return self._retiring_text().partition("@")[2]

    @api.model
    def _retiring_text(self):
        return self._parameter(RETIRING_PARAMETER)

    @api.model
    def _set_retiring(self, names, since=""):
        text = f"{','.join(names)}@{since}" if names else False
        # sudo: names of keys; only the rotation, a job or the command, leads here
        self.env["ir.config_parameter"].sudo().set_param(RETIRING_PARAMETER, text)

    @api.model
    def _now(self):
        self.env.cr.execute("SELECT clock_timestamp()")
        return self.env.cr.fetchone()[0].isoformat()

    @api.model
    def _is_older_work_under_way(self):
        """Whether a transaction runs that began before the keys were given up."""
        self.env.cr.execute(
            """SELECT EXISTS (
                   SELECT FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()
                      AND xact_start < %s::timestamptz)""",
            [self._retiring_since()],
        )
        return self.env.cr.fetchone()[0]

    # -- what settings show ----------------------------------------------------

    @api.model
    def _rotation_status(self):
        """:return: dict of ``due``, ``done``, ``whole``, ``removable`` (fingerprints),
        ``links`` (live ones that were made with those)"""
        due = self._rotation_is_due()
        elsewhere, whole = self._sealed_counts() if due else (0, 0)
        kept = {*self._needed(), *self._retiring()}
        removable = [name for name in self._ring().fingerprints if name not in kept]
        # sudo: how many links, none of them, for settings and command
        links = self.env["secure.link"].sudo()
        count = removable and links.search_count(
            [
                ("fingerprint", "in", removable),
                ("revoked_at", "=", False),
                ("replaced_by_id", "=", False),
                ("expires_at", ">", fields.Datetime.now()),
            ]
        )
        return {
            "due": due,
            "done": whole - elsewhere,
            "whole": whole,
            "removable": removable,
            "links": count or 0,
        }
