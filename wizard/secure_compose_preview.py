"""What one recipient will get, before anything is sent. Nothing is made for it."""

from odoo import api, fields, models

from ..tools.keyring import new_uid

CHOICE = 50
"""Recipients to choose one from."""


class SecureComposePreview(models.TransientModel):
    _inherit = "secure.compose"

    preview_partner_ids = fields.Many2many(
        "res.partner", compute="_compute_preview_partner_ids"
    )
    preview_partner_id = fields.Many2one(
        "res.partner", "As", domain="[('id', 'in', preview_partner_ids)]"
    )
    preview_subject = fields.Char("Subject of the Email", compute="_compute_preview")
    preview_mail = fields.Text("Notification", compute="_compute_preview")
    preview_sms = fields.Text("SMS", compute="_compute_preview")
    preview_parts = fields.Integer("Parts", compute="_compute_preview")
    preview_page = fields.Text("Page", compute="_compute_preview")
    preview_problem = fields.Char(compute="_compute_preview")

    @api.depends("step", "partner_ids", "kind", "partner_filter", "res_ids")
    def _compute_preview_partner_ids(self):
        for compose in self:
            compose.preview_partner_ids = False
            if compose.step == "preview":
                rows, _colleagues = compose._recipients(CHOICE)
                partners = [row["partner"].id for row in rows]
                compose.preview_partner_ids = list(filter(None, partners))

    @api.depends("step", "preview_partner_id")
    def _compute_preview(self):
        for compose in self:
            compose.update(dict.fromkeys(self._preview_names(), False))
            if compose.step == "preview":
                compose.update(compose._previewed())

    @api.model
    def _preview_names(self):
        return [
            name
            for name, field in self._fields.items()
            if field.compute == "_compute_preview"
        ]

    def _previewed(self):
        rows, _colleagues = self._recipients(CHOICE)
        rows = [row for row in rows if row["partner"]]
        chosen = self.preview_partner_id._origin
        row = next((row for row in rows if row["partner"] == chosen), None)
        row = row or next(iter(rows), None)
        if not row:
            return {"preview_problem": self.env._("There is no contact to send to.")}
        text = self._preview_text(row)
        if text.get("problem"):
            return {"preview_problem": text["problem"]}
        # sudo: texts of a company the writer sends for, to a contact they see
        company, partner = self.company_id.sudo(), row["partner"].sudo()
        page = self.env["secure.page"]
        note = page._preview_notification(company, partner, self.channel)
        files = [file._secure_head() for file in self._own_uploads()]
        return {
            "preview_subject": note.get("subject"),
            "preview_mail": note.get("body"),
            "preview_sms": note.get("text"),
            "preview_parts": note.get("parts"),
            "preview_page": page._preview(
                company, partner, text["subject"], text["body"], files
            ),
        }

    def _own_uploads(self):
        return self.env["ir.attachment"]._secure_pending(
            self.attachment_ids._origin.ids
        )

    def _preview_text(self, row):
        """Subject and body for one recipient, by the Outbox's own rendering, of a send
        that only lives in memory."""
        own_text = not self._is_template_unchanged()
        dispatch = self.env["secure.dispatch"].new(
            {
                "origin": "compose",
                "channel": self.channel,
                "res_model": self.res_model,
                "template_id": self.template_id.id,
                "sms_template_id": self.sms_template_id.id,
                "is_final": self.is_final,
                "secure_uid": new_uid(),
            }
        )
        if own_text or self.sms_template_id:
            dispatch._seal("sealed_subject", self.subject)
        if own_text:
            dispatch._seal("sealed_body", self.body or " ")
        line = self.env["secure.dispatch.line"].new(
            {"partner_id": row["partner"].id, "res_id": row.get("res_id")}
        )
        return dispatch._render_lines(line)[line]
