"""Taking back what was said: a message with its files, or all links."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from .secure_draft import INTERNAL, OUTBOUND


class SecureThreadWithdraw(models.Model):
    _inherit = "secure.thread"

    def action_withdraw_message(self, message_id):
        """Withdraw one message to the contact; there is no way back.

        :param int message_id: of this conversation
        :return: str: when, as the chatter shows it
        """
        self.ensure_one()
        self.check_access("write")
        # sudo: a message of this very conversation, which the user may write to
        messages = self.env["mail.message"].sudo()
        message = messages.search(
            [
                ("id", "=", message_id),
                ("model", "=", self._name),
                ("res_id", "=", self.id),
                ("secure_direction", "=", OUTBOUND),
            ]
        )
        if not message:
            raise UserError(
                self.env._("Only messages to the contact can be withdrawn.")
            )
        if self._withdraw(message):
            self._note_withdrawn(message)
        return fields.Datetime.to_string(message.secure_withdrawn_date)

    @api.model
    def _withdraw(self, messages):
        """Withdraw messages to contacts, in as many statements for one as for many.
        Whoever calls has checked who may.

        A link leads to a conversation, so it goes on leading there, where the message's
        place says that it was withdrawn. Not so when its notification has not left yet,
        or nothing else to the contact is left in the conversation.

        :param messages: ``mail.message`` as superuser
        :return: those that were not withdrawn before
        """
        fresh = messages._secure_withdraw()
        if not fresh:
            return fresh
        # sudo: of messages the caller has checked
        links = self.env["secure.link"].sudo()
        threads = self.sudo().browse(sorted(set(fresh.mapped("res_id"))))
        links = links.search(
            [("thread_id", "in", threads.ids), ("message_id", "in", fresh.ids)]
        )
        self._log_withdrawn(fresh, links)
        waiting = links.filtered(lambda link: not link.left_at)
        (waiting | threads._without_messages().link_ids)._revoke()
        return fresh

    @api.model
    def _log_withdrawn(self, messages, links):
        """A row for each message: by its link, which knows the address, or without."""
        log = self.env["secure.access.log"]
        log._log("message_revoked", links)
        known = set(links.mapped("message_id"))
        rest = messages.filtered(lambda message: message.id not in known)
        threads = self.browse(rest.mapped("res_id"))
        log._log("message_revoked", threads, message_ids=rest.ids)

    def _without_messages(self):
        """Those where nothing of what was written to the contact can be read."""
        # sudo: numbers only
        groups = (
            self.env["mail.message"]
            .sudo()
            ._read_group(
                [
                    ("model", "=", self._name),
                    ("res_id", "in", self.ids),
                    ("secure_direction", "=", OUTBOUND),
                    ("secure_withdrawn_date", "=", False),
                ],
                ["res_id"],
            )
        )
        return self - self.browse(res_id for (res_id,) in groups)

    def _note_withdrawn(self, message=None):
        """A line for staff in each conversation.

        :param message: which message was withdrawn; without one, all links were
        """
        if self.env["secure.keyring"]._status()["problem"]:
            # Withdrawing goes without the key; the line, which is sealed, does not
            return
        text = self._withdrawn_text(message)
        # sudo: the system's own line, by who may write to these conversations
        drafts = [
            self.env["secure.draft"]._complete(
                {"thread": thread, "direction": INTERNAL, "body": text}
            )
            for thread in self.sudo()
        ]
        self.env["secure.thread"].sudo()._store_messages(drafts)

    @api.model
    def _withdrawn_text(self, message):
        if not message:
            return self.env._("All links were withdrawn.")
        zone = self.env.user.tz or "UTC"
        date = self.env["secure.page"]._zoned_text(message.date, zone)
        return self.env._(
            "Withdrawn: the message of %(date)s, with its files.", date=date
        )
