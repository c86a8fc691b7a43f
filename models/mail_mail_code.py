from odoo import fields, models

from ..tools import notification as texts


class CodeOver(Exception):
    """A one-time code that may not leave any more."""


class MailMail(models.Model):
    _inherit = "mail.mail"

    secure_code_id = fields.Many2one(
        "secure.code",
        groups=fields.NO_ACCESS,
        ondelete="cascade",
        index="btree_not_null",
    )

    def _prepare_outgoing_list(self, *args, **kwargs):
        """A one-time code is put in here, in what leaves and nowhere else."""
        emails = super()._prepare_outgoing_list(*args, **kwargs)
        # sudo: which mails hold a code is decided here, whoever sends them
        code = self.sudo().secure_code_id
        for row in emails if code else []:
            digits = code._leaving_digits("email", row["email_to_normalized"])
            if not digits:
                raise CodeOver(
                    self.env._(
                        "This one-time code is valid no more, or the contact's address "
                        "has changed."
                    )
                )
            for part in ("body", "body_alternative"):
                row[part] = row[part].replace(texts.CODE_MARK, digits)
            row.update(attachments=[], email_cc=[], object_id="")
        return emails
