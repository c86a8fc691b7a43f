"""A conversation's own PIN, who answers for it, and what they are told of PINs."""

from odoo import api, models


class SecureThreadCare(models.Model):
    _inherit = "secure.thread"

    def _reminder_texts(self):
        who = self.env.user.name
        return {
            **super()._reminder_texts(),
            "pin_set": self.env._("New PIN for this contact, set by %s", who),
            "pin_removed": self.env._("The contact's PIN was removed by %s", who),
            "own_pin_set": self.env._("New PIN for this conversation, set by %s", who),
            "address_confirmed": self.env._(
                "%s changed an address of this contact, and confirmed it", who
            ),
            "unlocked": self.env._("Unlocked after wrong PINs by %s", who),
        }

    def _tell_others(self, reason):
        """Put a to-do on the list of whoever answers for these conversations, unless
        they did it themselves: one each for a contact, on the latest conversation.

        :param str reason: a key of :meth:`_reminder_texts`
        """
        if self.env.uid == api.SUPERUSER_ID:
            return
        # sudo: those who answer may be others than those the current user sees
        threads = self.sudo().filtered("active").sorted("id")
        threads._answering_users()
        latest = {(one.partner_id, one.responsible_id): one for one in threads}
        for (_partner, user), thread in latest.items():
            if user and user != self.env.user:
                thread._remind_responsible(reason)

    def write(self, vals):
        """Who answered for a conversation before does not go on reading it: Odoo makes
        whoever has a to-do a follower, for good. Who is to stay takes part."""
        if "responsible_id" not in vals:
            return super().write(vals)
        # sudo: who answers, and who follows; writing is checked by Odoo
        former = self.sudo().grouped("responsible_id")
        result = super().write(vals)
        for user, threads in former.items():
            if user.id != vals["responsible_id"]:
                threads.message_unsubscribe(user.partner_id.ids)
        return result

    def action_new_pin(self):
        """Give a conversation, or its contact, another PIN."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("New PIN for %(reference)s", reference=self.name),
            "res_model": "secure.pin.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_thread_id": self.id, "dialog_size": "medium"},
        }
