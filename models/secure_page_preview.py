"""What a contact will see of a message that is still being written."""

from odoo import api, fields, models

from ..tools import content
from ..tools import notification as texts
from ..tools import token as tokens


class SecurePagePreview(models.AbstractModel):
    _inherit = "secure.page"

    @api.model
    def _preview(self, company, partner, subject, body, files):
        """The page with one message, in the contact's language. Makes nothing, and
        leads nowhere.

        :param list files: of dicts with ``name`` and ``file_size``
        """
        spoken = self.with_context(lang=partner.lang or company.partner_id.lang)
        body = self.env["secure.draft"]._with_pictures(body, company, partner.lang)
        title = spoken.env._("Secure message")
        now = fields.Datetime.now()
        zone = partner.tz or company.partner_id.tz or "UTC"
        message = {
            "uid": "0",
            "mark": "",
            "mine": False,
            "withdrawn": False,
            "author": self.env.user.name,
            "body": content.for_page(body),
            "date_iso": now.isoformat() + "Z",
            "date_text": spoken._zoned_text(now, zone),
            "files": [
                {
                    "url": "#",
                    "name": file["name"],
                    "size_text": content.size_text(file["file_size"]),
                }
                for file in files
            ],
        }
        return spoken._render(
            "page_conversation",
            self._company_values(company),
            {
                "title": title,
                "subject": subject or title,
                "reference": "…",
                "messages": [message],
                "older_url": "",
                "newer_url": "",
                "news_url": "",
                "action": "#",
                "form_token": "",
                "reply_key": "",
                "draft": "",
                "error": "",
                "notice": "",
                "file_limits": self._file_limits(),
                "idle_seconds": 0,
                "final": "",
                "stay_action": "#",
                "leave_action": "",
                "consent_url": "",
            },
        )

    @api.model
    def _preview_notification(self, company, partner, channel):
        """What leaves the house, with a link that opens nothing.

        :return: dict: ``subject`` and ``body`` (HTML) of an email; ``text`` and
            ``parts`` of an SMS
        """
        notification = self.env["secure.notification"]
        draft = {"company": company, "partner": partner, "sender": self.env.user}
        link = f"{company.get_base_url()}/sm/{'x' * tokens.TOKEN_LENGTH}"
        if channel == "sms":
            text = notification._text(draft, "secure_sms_body")
            text = text.replace(texts.LINK_MARK, link)
            return {"text": text, "parts": texts.sms_parts(text)}
        body = notification._mail_body(draft).replace(texts.LINK_MARK, link)
        return {
            "subject": notification._text(draft, "secure_email_subject"),
            "body": body,
        }
