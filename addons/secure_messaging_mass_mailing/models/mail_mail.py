from odoo import models

UNSUBSCRIBE_PATH = "/unsubscribe_from_list"
"""What Odoo's designs have in the place of the address, until a mail leaves."""


class MailMail(models.Model):
    _inherit = "mail.mail"

    def send(self, auto_commit=False, **kwargs):
        """What has left cannot be taken back: its link, its message and its trace are
        committed before. A mailing that is killed then goes on where it was."""
        # sudo: only whether these are notifications
        if auto_commit and self.sudo().secure_link_id:
            # Only when the caller has Odoo commit mail by mail anyhow
            self.env.cr.commit()  # pylint: disable=invalid-commit
        return super().send(auto_commit=auto_commit, **kwargs)

    def _secure_by_odoo(self):
        """Odoo adds the ways out of a mailing, to text and headers."""
        return bool(self.mailing_id) or super()._secure_by_odoo()

    def _prepare_outgoing_list(self, *args, **kwargs):
        """The way out in the plain text, too, where Odoo leaves its own mark."""
        emails = super()._prepare_outgoing_list(*args, **kwargs)
        # sudo: only whether this is a notification
        if not self.mailing_id or not self.sudo().secure_link_id:
            return emails
        mark = self.mailing_id.get_base_url() + UNSUBSCRIBE_PATH
        for row in emails:
            [address] = row["email_to_normalized"]
            url = self.mailing_id._get_unsubscribe_url(address, self.res_id)
            row["body_alternative"] = row["body_alternative"].replace(mark, url)
        return emails

    def _prepare_outgoing_body(self):
        """Without Odoo's tracking pixel: the page knows better who has read, and a
        notification loads nothing."""
        body = super()._prepare_outgoing_body()
        # sudo: only whether this is a notification
        if body and self.mailing_id and self.sudo().secure_link_id:
            pixel = f'<img src="{self._get_tracking_url()}"/>'
            body = body.replace(type(body)(pixel), "")
        return body
