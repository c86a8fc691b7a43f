"""One-time codes while they leave, by Odoo's own mail and SMS queues."""

from odoo import api, models

from ..tools import notification as texts
from ..tools.pin_policy import CODE_DIGITS, CODE_LIFE


class SecureCodeLeaving(models.Model):
    _inherit = "secure.code"

    def _queue(self, channel):
        """Let the code leave. What is queued holds a mark in its place.

        :return: the address it goes to, masked
        """
        partner = self.link_id.thread_id.partner_id
        address = partner._secure_address(channel)
        if channel == "email":
            self._queue_mail(address)
        else:
            self._queue_sms(address)
        return self.env["secure.link"]._mask(address)

    def _queue_sms(self, number):
        # sudo: whoever asks for a code has no right to SMS; a mark stands for digits
        self.env["sms.sms"].sudo().create(
            {
                "body": self._sms_text(),
                "number": number,
                "state": "outgoing",
                "secure_code_id": self.id,
            }
        )

    def _queue_mail(self, address):
        thread = self.link_id.thread_id
        company = thread.company_id
        env = self._spoken().env
        body = env["ir.qweb"]._render(
            "secure_messaging.code_email",
            {
                "company": company,
                "code_mark": texts.CODE_MARK,
                "minutes": self._minutes(),
                "lang": env.lang,
            },
            minimal_qcontext=True,
        )
        subject = env._("Your one-time code from %(company)s", company=company.name)
        # sudo: as in `_queue_sms`; in the body, too, a mark stands for the digits
        mail = (
            self.env["mail.mail"]
            .sudo()
            .create(
                {
                    "subject": " ".join(subject.split()),
                    "body_html": body,
                    "email_from": company.email_formatted
                    or thread._answering_user().email_formatted,
                    "reply_to": False,
                    "email_to": address,
                    "headers": repr({"Auto-Submitted": "auto-generated"}),
                    "record_company_id": company.id,
                    "auto_delete": True,
                    "secure_code_id": self.id,
                }
            )
        )
        mail.send_after_commit()

    def _spoken(self):
        """In the contact's language."""
        thread = self.link_id.thread_id
        lang = thread.partner_id.lang or thread.company_id.partner_id.lang
        return self.with_context(lang=self.env["secure.page"]._lang_code(lang))

    def _sms_text(self):
        """One SMS, whatever the company is called."""
        env = self._spoken().env

        def text(name, code="0" * CODE_DIGITS):
            return env._(
                "%(company)s: your code is %(code)s. Valid for %(minutes)s minutes. "
                "We never ask you for it.",
                company=name,
                code=code,
                minutes=self._minutes(),
            )

        company = self.link_id.thread_id.company_id
        name = texts.name_for_one_sms(text, company.name)
        return text(name, texts.CODE_MARK)

    @api.model
    def _minutes(self):
        return int(CODE_LIFE.total_seconds() // 60)

    def _leaving_digits(self, channel, addresses):
        """The code, for an email or SMS that is about to leave.

        :param str channel: how it leaves
        :param list addresses: where it goes
        :return: empty when it may not: too late, used, the link dead, or this is not
            the contact's address any more, or one that has just changed
        """
        self.ensure_one()
        link = self.link_id
        partner = link.thread_id.partner_id
        if not self._lives() or link._state() != "live":
            return ""
        if channel == link.channel or channel != self._channel(link):
            return ""
        if addresses != [partner._secure_address(channel)]:
            return ""
        return "" if self._refusal(partner, channel) else self._digits()
