"""What the gate looks at, read in four look-ups: every visitor waits for it first.

The ORM's own reads take three times as long, a join of the four tables twice: it is
planned anew for each request.
"""

from odoo import api, models
from odoo.tools import SQL

GATE_COLUMNS = {
    "secure.link": (
        "address",
        "channel",
        "expires_at",
        "fingerprint",
        "nonce",
        "public_id",
        "replaced_by_id",
        "revoked_at",
        "thread_id",
        "token_proof",
    ),
    "secure.thread": (
        "active",
        "company_id",
        "partner_id",
        "pin_rule",
        "secure_uid",
    ),
    "res.partner": ("active", "country_id", "email_normalized", "lang", "phone"),
    "res.company": (
        "name",
        "phone",
        "primary_color",
        "secure_pin_field_id",
        "secure_pin_required",
        "secure_pin_source",
        "uses_default_logo",
    ),
}


class SecureLinkGate(models.Model):
    _inherit = "secure.link"

    @api.model
    def _read_gate(self, public_id):
        """The link of a public id with its conversation, in the cache; without its
        token checked, so not to be shown to anybody.

        :return: ``secure.link`` as superuser, may be empty
        """
        link = self._read_row("secure.link", "public_id", public_id)
        # Where there is no link, too: as many look-ups take as long
        self._read_row("secure.thread", "id", link.thread_id.id or 0)
        return link

    def _read_behind_gate(self):
        """Contact and company of a genuine link, into the cache."""
        thread = self.thread_id
        self._read_row("res.partner", "id", thread.partner_id.id or None)
        self._read_row("res.company", "id", thread.company_id.id)

    @api.model
    def _read_row(self, model, key, value):
        """One record as superuser, with its ``GATE_COLUMNS`` in the cache."""
        # sudo: for the page; nothing is shown before the token's MAC has been checked
        records = self.env[model].sudo()
        records.flush_model()
        columns = GATE_COLUMNS[model]
        self.env.cr.execute(
            SQL(
                "SELECT %s FROM %s WHERE %s = %s",
                SQL(", ".join(("id", *columns))),
                SQL.identifier(records._table),
                SQL.identifier(key),
                value,
            )
        )
        row = self.env.cr.fetchone()
        if not row:
            return records
        record = records.browse(row[0])
        for column, cell in zip(columns, row[1:], strict=True):
            # The cache's own form of what these types of columns hold
            record._fields[column]._insert_cache(record, [cell])
        return record
