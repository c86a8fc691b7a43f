import re

from odoo import api, models

from ..tools import log_filter, quoted_links
from .secure_notification import MESSAGE_ID_HOST


class MailThread(models.AbstractModel):
    """The mail gateway: an email answer to a notification is not stored anywhere.

    Whoever got hold of the notification could have written it, and it may quote it.
    """

    _inherit = "mail.thread"

    @api.model
    def message_parse(self, message, save_original=False):
        """Nobody's mail brings a working link into the database, wherever it goes."""
        values = super().message_parse(message, save_original=save_original)
        for key in ("subject", "body"):
            text = values.get(key) or ""
            if log_filter.mask(text) != text:
                values[key] = type(text)(log_filter.mask(text))
        # Before the parts are masked, which are the mail's own
        quotes_link = save_original and quoted_links.mail_holds(message)
        values["attachments"] = [
            part._replace(content=quoted_links.without(part.fname, part.content))
            for part in values.get("attachments", [])
            # The raw mail holds the link as it came
            if not (quotes_link and part.fname == "original_email.eml")
        ]
        return values

    @api.model
    def message_route(self, message, message_dict, *args, **kwargs):
        """Before Odoo looks at aliases: in a mail to one of them it forgets what the
        mail answers to."""
        if not message_dict.get("is_bounce"):
            refers, answered = self._secure_message_answered(message_dict)
            if refers:
                answers = self.env["secure.mail.answer"]
                answers._answer(message, message_dict, answered)
                return []
        return super().message_route(message, message_dict, *args, **kwargs)

    @api.model
    def _secure_message_answered(self, message_dict):
        """Whether a mail refers to a notification.

        :return: (bool, the newest such message; empty when Odoo has deleted it, as it
            does with what mass mailings leave)
        """
        # sudo: the gateway's own look-up, of which nothing is told
        messages = self.env["mail.message"].sudo()
        given = f"{message_dict.get('references')} {message_dict.get('in_reply_to')}"
        message_ids = re.findall(r"<[^<>\s]+>", given)
        if not message_ids:
            return False, messages
        found = messages.search(
            [
                ("message_id", "in", message_ids),
                "|",
                ("model", "=", "secure.thread"),
                ("secure_thread_id", "!=", False),
            ],
            order="id desc",
            limit=1,
        )
        ours = any(id_.endswith(f"@{MESSAGE_ID_HOST}>") for id_ in message_ids)
        return ours or bool(found), found

    def _routing_check_route(self, message, message_dict, route, raise_exception=True):
        """No alias, and no route made by hand, leads into a conversation."""
        if route[0] == "secure.thread":
            return False
        return super()._routing_check_route(
            message, message_dict, route, raise_exception
        )
