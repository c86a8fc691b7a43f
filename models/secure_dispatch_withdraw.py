"""Taking back a whole send."""

from odoo import fields, models


class SecureDispatchWithdraw(models.Model):
    _inherit = "secure.dispatch"

    withdrawn_at = fields.Datetime("Withdrawn", readonly=True)

    def action_withdraw(self):
        """Withdraw all messages of this send, with their files and links; whoever has
        not been sent to yet will not be. There is no way back.

        Without a line in each conversation, which would take a minute for ten thousand:
        the messages are marked there, and the log says who did it."""
        claimed = self._claim("running", "sent", "failed", "cancelled")
        # sudo, in what was claimed: whoever may see the send may take it back, also
        # where the conversation has gone over to a colleague
        lines = claimed.line_ids
        lines.filtered(lambda line: line.state == "waiting").state = "cancelled"
        claimed.activity_ids.filtered("automated").unlink()
        claimed.write(
            {
                "withdrawn_at": fields.Datetime.now(),
                "can_retry": False,
                "state": "cancelled" if claimed.state == "running" else claimed.state,
            }
        )
        claimed._forget_pin()
        self.env["secure.thread"]._withdraw(lines.message_id)
        lines.link_id._revoke()
