"""What the gate looks at, read with one query: every visitor waits for it first."""

from odoo import api, models
from odoo.tools import SQL

GATE_TABLES = {
    "secure.link": (
        "link",
        (
            "address",
            "channel",
            "duration",
            "expires_at",
            "fingerprint",
            "message_id",
            "nonce",
            "opened_at",
            "public_id",
            "renewable",
            "replaced_by_id",
            "revoked_at",
            "thread_id",
        ),
    ),
    "secure.thread": (
        "thread",
        ("active", "company_id", "name", "partner_id", "pin_rule", "secure_uid"),
    ),
    "res.partner": (
        "partner",
        ("active", "country_id", "email_normalized", "lang", "phone"),
    ),
    "res.company": (
        "company",
        ("name", "phone", "primary_color", "secure_pin_required", "uses_default_logo"),
    ),
}
"""By model: its alias in the query, and its columns."""


class SecureLinkGate(models.Model):
    _inherit = "secure.link"

    @api.model
    def _read_gate(self, public_id):
        """The link of a public id with its conversation, contact and company, in the
        cache; without its token checked, so not to be shown to anybody.

        :return: ``secure.link`` as superuser, may be empty
        """
        names = [
            (self.env[model], alias, column)
            for model, (alias, columns) in GATE_TABLES.items()
            for column in ("id", *columns)
        ]
        for model in GATE_TABLES:
            self.env[model].flush_model()
        self.env.cr.execute(
            SQL(
                """SELECT %s
                     FROM secure_link AS link
                     JOIN secure_thread AS thread ON thread.id = link.thread_id
                     JOIN res_partner AS partner ON partner.id = thread.partner_id
                     JOIN res_company AS company ON company.id = thread.company_id
                    WHERE link.public_id = %s""",
                SQL(", ").join(
                    SQL.identifier(alias, name) for _m, alias, name in names
                ),
                public_id,
            )
        )
        row = self.env.cr.fetchone()
        if not row:
            return self.sudo().browse()
        records = {}
        for (model, alias, name), value in zip(names, row, strict=True):
            if name == "id":
                records[alias] = model.sudo().browse(value)
            else:
                record = records[alias]
                # The cache's own form of what these types of columns hold
                record._fields[name]._insert_cache(record, [value])
        return records["link"]
