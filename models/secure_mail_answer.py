import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.tools.mail import email_normalize

from .secure_keyring import KeysUnavailable

_logger = logging.getLogger(__name__)

ANSWER_INTERVAL = timedelta(days=1)
"""One pointer to the link a day for each sender: two machines never talk for long."""
AUTOMATIC_HEADERS = (
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "List-Id",
    "List-Unsubscribe",
)
"""Mail with one of these is not answered (RFC 3834, RFC 2919)."""
AUTOMATIC_PRECEDENCE = ("bulk", "junk", "list", "auto_reply")


class SecureMailAnswer(models.Model):
    """Who was told not to answer notifications by email, and when.

    Keeps a keyed hash of the address and the time; nothing of the mail.
    """

    _name = "secure.mail.answer"
    _description = "Secure Messaging Answer to an Email"
    _log_access = False

    sender = fields.Char(required=True)
    date = fields.Datetime(required=True, index=True)

    _sender_unique = models.UniqueIndex("(sender)")

    @api.model
    def _answer(self, message, message_dict, parent):
        """Answer an email that was sent to a notification, without quoting it.

        :param message: the incoming ``email.message.EmailMessage``
        :param dict message_dict: as Odoo parsed it
        :param parent: the ``mail.message`` answered to
        """
        sender = email_normalize(message_dict.get("email_from") or "")
        if not sender or self._is_automatic(message):
            return
        try:
            if not self._claim(sender):
                return
        except KeysUnavailable:
            # Nothing raises in the gateway: the mail would be lost or come back
            _logger.warning("An email to a secure notification was not answered")
            return
        company = parent.record_company_id or self.env.company
        # sudo: only in which language to answer this address
        partner = (
            self.env["res.partner"]
            .sudo()
            .search([("email_normalized", "=", sender)], limit=1)
        )
        env = self.with_context(lang=partner.lang or company.partner_id.lang).env
        what_to_do = env._(
            "To answer a secure message of %(company)s, please open the link in the "
            "notification you received, and write your answer there.",
            company=company.name,
        )
        body = env["ir.qweb"]._render(
            "secure_messaging.mail_answer",
            {"what_to_do": what_to_do},
            minimal_qcontext=True,
        )
        # sudo: the gateway's own answer to the sender; nothing of the mail is in it
        mail = (
            self.env["mail.mail"]
            .sudo()
            .create(
                {
                    "subject": env._("Your email was not delivered"),
                    "body_html": body,
                    "email_from": company.email_formatted,
                    "reply_to": False,
                    "email_to": sender,
                    "headers": repr({"Auto-Submitted": "auto-replied"}),
                    "auto_delete": True,
                }
            )
        )
        mail.send_after_commit()

    @api.model
    def _is_automatic(self, message):
        submitted = (message.get("Auto-Submitted") or "no").lower()
        if submitted != "no":
            return True
        if any(message.get(name) for name in AUTOMATIC_HEADERS[1:]):
            return True
        return (message.get("Precedence") or "").lower() in AUTOMATIC_PRECEDENCE

    @api.model
    def _claim(self, sender):
        """Whether this sender may be answered now; then not again for a day."""
        names = self.env["secure.keyring"]._ring().pseudonyms(sender)
        now = fields.Datetime.now()
        self.env.cr.execute(
            """INSERT INTO secure_mail_answer (sender, date)
               SELECT unnest(%s), %s
          ON CONFLICT (sender) DO UPDATE SET date = EXCLUDED.date
                WHERE secure_mail_answer.date <= %s
            RETURNING id""",
            [names, now, now - ANSWER_INTERVAL],
        )
        return self.env.cr.rowcount == len(names)

    @api.autovacuum
    def _gc_answers(self):
        old = fields.Datetime.now() - ANSWER_INTERVAL
        self.env.cr.execute("DELETE FROM secure_mail_answer WHERE date < %s", [old])
