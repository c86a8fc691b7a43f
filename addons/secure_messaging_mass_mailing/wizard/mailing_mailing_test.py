from markupsafe import Markup

from odoo import models, tools


class MailingMailingTest(models.TransientModel):
    _inherit = "mailing.mailing.test"

    def send_mail_test(self):
        """Of a secure mailing only the notification goes to an address somebody typed,
        with a sample in the link's place. Odoo's test would carry a record's data."""
        mailing = self.mass_mailing_id
        if not mailing.secure_send:
            return super().send_mail_test()
        addresses = tools.email_split(self.email_to.replace("\n", ","))
        mailing._secure_check_renders()
        subject, body = self.env["secure.notification"]._mailing_sample(mailing)
        mails = (
            # sudo: as Odoo does for whoever may test the mailing
            self.env["mail.mail"]
            .sudo()
            .create(
                [
                    {
                        "subject": self.env._("[TEST] %(subject)s", subject=subject),
                        "body_html": body,
                        "email_from": mailing.email_from,
                        "email_to": address,
                        "mail_server_id": mailing.mail_server_id.id,
                        "auto_delete": False,
                    }
                    for address in addresses
                ]
            )
        )
        mails.send()
        lines = [self._secure_outcome(mail) for mail in mails]
        mails.unlink()
        mailing._message_log(
            body=Markup("<ul>%s</ul>")
            % Markup().join(Markup("<li>%s</li>") % line for line in lines)
        )
        return True

    def _secure_outcome(self, mail):
        if mail.state == "sent":
            return self.env._(
                "A sample of the notification was sent to %(address)s. The text itself "
                "does not leave in tests.",
                address=mail.email_to,
            )
        return self.env._(
            "The sample could not be sent to %(address)s: %(reason)s",
            address=mail.email_to,
            reason=mail.failure_reason or "",
        )
