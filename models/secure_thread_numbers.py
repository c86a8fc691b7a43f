"""How many messages, and what became of the last: for lists of what conversations are
about. Called on conversations the user may read."""

from odoo import models

from .secure_draft import INBOUND, OUTBOUND


class SecureThreadNumbers(models.Model):
    _inherit = "secure.thread"

    def _secure_message_counts(self):
        """Messages to and from the contact, by conversation id; one query."""
        return dict(self._secure_grouped([OUTBOUND, INBOUND], "__count"))

    def _secure_delivery_states(self):
        """What became of each conversation's last message to the contact.

        :return: dict of (date, ``secure.dispatch.line``'s delivery) by conversation id
        """
        last = dict(self._secure_grouped([OUTBOUND], "id:max"))
        # sudo: of conversations the user may read, no content
        messages = self.env["mail.message"].sudo().browse(last.values())
        links = self._secure_last_links(messages)
        # Read for all at once: each state below knows one message only
        notified = messages.browse(
            {*messages.ids, *(link.message_id for link in links.values())}
        )
        notified.notification_ids.fetch(
            ["notification_status", "notification_type", "res_partner_id"]
        )
        lines = self.env["secure.dispatch.line"]
        answered = lines._answered_threads_of(self)
        # sudo: which contact it is
        contacts = {thread.id: thread.partner_id for thread in self.sudo()}
        states = {}
        for message in messages:
            state = lines._delivery_of(
                message,
                links.get(message.res_id, self.env["secure.link"]),
                contacts[message.res_id],
                answered.get(self.browse(message.res_id)),
            )
            states[message.res_id] = (message.date, state)
        return states

    def _secure_last_links(self, messages):
        """By conversation id the link of its last message, or, until that one is
        opened, the newest that followed: what did not arrive is sent a new link.

        :param messages: the last of each conversation
        """
        # sudo: dates and states only, of conversations the user may read
        links = self.env["secure.link"].sudo()
        inside = [("thread_id", "in", self.ids)]
        groups = links._read_group(inside, ["thread_id"], ["id:max"])
        newest = links.browse(id_ for _thread, id_ in groups)
        opened = links.search(
            [
                *inside,
                ("message_id", "in", messages.ids),
                ("opened_at", "!=", False),
            ]
        )
        return {link.thread_id.id: link for link in (*newest, *opened)}

    def _secure_grouped(self, directions, aggregate):
        # sudo: numbers only, of conversations the user may read
        return (
            self.env["mail.message"]
            .sudo()
            ._read_group(
                [
                    ("model", "=", self._name),
                    ("res_id", "in", self.ids),
                    ("secure_direction", "in", directions),
                ],
                ["res_id"],
                [aggregate],
            )
        )
