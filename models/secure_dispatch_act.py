"""What people do with a send: the Outbox's buttons."""

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

PIN_KEPT = timedelta(days=30)
"""How long a send that failed for some keeps its PIN, so that it can be tried again."""


class SecureDispatchAct(models.Model):
    _inherit = "secure.dispatch"

    def _claim(self, *states):
        """This send, locked, for somebody who may see it: its author, its responsible,
        a manager.

        :param states: those in which the action makes sense
        :return: the same, as superuser
        :raise UserError: when it has got further meanwhile
        """
        self.ensure_one()
        self.check_access("read")
        # sudo: nobody has write access; who may act was checked just now
        claimed = self.sudo()
        claimed._lock()
        if claimed.state not in states:
            raise UserError(
                self.env._(
                    "This is too late for %(name)s: it is “%(state)s” by now.",
                    name=claimed.name,
                    state=claimed._state_label(),
                )
            )
        return claimed

    def _state_label(self):
        selection = self._fields["state"]._description_selection(self.env)
        return dict(selection)[self.state]

    def action_send_now(self):
        """Do not wait for the time that was set."""
        claimed = self._claim("scheduled")
        claimed.scheduled_at = fields.Datetime.now()
        claimed._start_by_hand()

    def _start_by_hand(self):
        """Like :meth:`_start`; who waits for it is told at once that nobody gets it.

        :raise UserError: when there is nobody to send to; all is as it was before
        """
        self._start()
        if self.stopped == "nobody":
            raise UserError(self.env._("No contact matches the filter."))

    def action_change(self):
        """Open the form it was written in, with what was written."""
        claimed = self._claim("scheduled")
        compose = self.env["secure.compose"]._for_dispatch(claimed)
        name = self.env._("Change %(name)s", name=claimed.name)
        return compose._form_action(name=name, res_id=compose.id)

    def action_cancel(self):
        """Send to nobody more."""
        claimed = self._claim("scheduled", "running", "held")
        waiting = claimed.line_ids.filtered(lambda line: line.state == "waiting")
        waiting.state = "cancelled"
        claimed.activity_ids.filtered("automated").unlink()
        claimed.state = "cancelled"
        claimed._forget_pin()

    def action_release(self):
        """Send what waits since its author cannot send: in one's own name."""
        claimed = self._claim("held")
        own = self.env.user
        claimed.activity_ids.filtered("automated").unlink()
        claimed.write(
            {"user_id": own.id, "responsible_id": own.id, "is_automatic": False}
        )
        claimed._start_by_hand()

    def _forget_pin(self):
        """A PIN is kept for as long as somebody may still be sent to with it."""
        self.filtered("has_pin").sealed_pin = False

    @api.autovacuum
    def _gc_pins(self):
        """Let go of the PINs of what nobody has tried again."""
        limit = fields.Datetime.now() - PIN_KEPT
        # sudo: upkeep
        old = self.sudo().search(
            [
                ("state", "=", "failed"),
                ("has_pin", "=", True),
                ("can_retry", "=", True),
                ("date", "<", limit),
            ]
        )
        old._forget_pin()
        old.can_retry = False
