import hashlib

from odoo import api, fields, models
from odoo.exceptions import AccessError

SOURCE_LANG = "en_US"
"""What Odoo shows where there is no translation."""


class SecureConsentText(models.Model):
    """One version of what a company asks its contacts to agree to, in all languages.

    As long as nobody has answered, it follows the text in the settings; from then on it
    is kept as it was read, and what is changed in the settings makes the next one.
    """

    _name = "secure.consent.text"
    _description = "Consent Text"
    _order = "company_id, number desc"

    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True
    )
    number = fields.Integer("Version", required=True, readonly=True)
    text = fields.Text(required=True, readonly=True, translate=True)
    date = fields.Datetime(
        "Since", required=True, readonly=True, default=fields.Datetime.now
    )
    is_answered = fields.Boolean(
        "Answered", readonly=True, help="Somebody has read it and answered: kept as is."
    )

    answer_count = fields.Integer("Answers", compute="_compute_answer_count")
    all_texts = fields.Text("All Languages", compute="_compute_all_texts")

    _number_unique = models.UniqueIndex("(company_id, number)")

    @api.depends("number")
    @api.depends_context("lang")
    def _compute_display_name(self):
        for version in self:
            version.display_name = self.env._("Version %s", version.number)

    def _compute_answer_count(self):
        """As many as the user may see."""
        groups = self.env["secure.consent"]._read_group(
            [("text_id", "in", self.ids)], ["text_id"], ["__count"]
        )
        counts = dict(groups)
        for version in self:
            version.answer_count = counts.get(version, 0)

    @api.depends("text")
    def _compute_all_texts(self):
        """In each language it was written in."""
        for version in self:
            version.all_texts = "\n\n".join(
                f"[{lang}]\n{text}" for lang, text in sorted(version._texts().items())
            )

    def action_open_consents(self):
        """What contacts answered to this version."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "secure_messaging.secure_consent_action"
        )
        return {**action, "domain": [("text_id", "=", self.id)], "context": {}}

    @api.model
    def _current(self, company):
        """The version that counts now; empty where no text was ever written."""
        # sudo: for the page, whose visitor has no rights, and for staff to be told
        return self.sudo().search([("company_id", "=", company.id)], limit=1)

    @api.model
    def _keep_up(self, company):
        """Have the newest version say what the company's settings say."""
        field = company._fields["secure_consent_text"]
        # sudo: the text just written to a company, by who may write companies
        wanted = _without_empty(field._get_stored_translations(company.sudo()))
        current = self._current(company)
        if not wanted.get(SOURCE_LANG, "").strip() or wanted == current._texts():
            return
        if not current or current.is_answered:
            # sudo: versions come of the settings, whose access was checked
            current = self.sudo().create(
                {
                    "company_id": company.id,
                    "number": current.number + 1,
                    "text": wanted[SOURCE_LANG],
                }
            )
        gone = dict.fromkeys(current._texts(), None)
        current.date = fields.Datetime.now()
        current._update_field_translations("text", {**gone, **wanted})

    def _texts(self):
        """The text by language, as it is stored."""
        if not self:
            return {}
        return _without_empty(self._fields["text"]._get_stored_translations(self))

    def _spoken(self):
        """The language this version is shown in, to who speaks the environment's."""
        lang = self.env["secure.page"]._lang_code(self.env.lang)
        return lang if lang in self._texts() else SOURCE_LANG

    def _seen(self):
        """What a form says of the text that was above it, so that nobody agrees to
        another one: a version nobody has answered may still be corrected."""
        shown = f"{self.id}\n{self.text}"
        return hashlib.sha256(shown.encode()).hexdigest()[:32]

    def _note_answered(self):
        """From here on it is never changed. Who changes it at this moment is refused
        by PostgreSQL, and runs again."""
        if not self.is_answered:
            self.is_answered = True

    # -- kept as it was --------------------------------------------------------------

    def write(self, vals):
        if vals.keys() - {"is_answered"} and any(self.mapped("is_answered")):
            raise AccessError(
                self.env._("Somebody has answered this version: it is never changed.")
            )
        return super().write(vals)

    def copy(self, default=None):  # pylint: disable=method-required-super
        raise AccessError(
            self.env._("A new version is made by changing the text in the settings.")
        )

    @api.ondelete(at_uninstall=False)
    def _unlink_unless_answered(self):
        if any(self.mapped("is_answered")):
            raise AccessError(
                self.env._("Somebody has answered this version: it cannot be deleted.")
            )


def _without_empty(texts):
    return {lang: text for lang, text in (texts or {}).items() if text}
