from markupsafe import Markup

from odoo import models


class MailingSmsTest(models.TransientModel):
    _inherit = "mailing.sms.test"

    def action_send_sms(self):
        """Of a secure mailing only the notification goes to a number somebody typed,
        with a sample in the link's place."""
        mailing = self.mailing_id
        if not mailing.secure_send:
            return super().action_send_sms()
        user = self.env.user
        typed = [line.strip() for line in self.numbers.splitlines()]
        numbers = [user._phone_format(number=number) for number in typed if number]
        mailing._secure_check_renders()
        body = self.env["secure.notification"]._mailing_sample_sms(mailing)
        # sudo: as Odoo does for whoever may test the mailing
        sms_list = (
            self.env["sms.sms"]
            .sudo()
            .create([{"number": number, "body": body} for number in numbers if number])
        )
        sms_list.send(unlink_sent=False)
        left = sms_list.filtered(lambda sms: sms.state != "error")
        left_numbers = ", ".join(left.mapped("number")) or "-"
        mailing._message_log(
            body=Markup("<p>%s</p>")
            % self.env._(
                "A sample of the notification was sent to %(numbers)s. The text itself "
                "does not leave in tests.",
                numbers=left_numbers,
            )
        )
        sms_list.write({"to_delete": True})
        return True
