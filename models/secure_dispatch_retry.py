"""Trying again those whom a send did not reach."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .secure_dispatch_line import NOT_ARRIVED, UNREACHED


class SecureDispatchRetry(models.Model):
    _inherit = "secure.dispatch"

    unreached_count = fields.Integer("Not Reached", compute="_compute_unreached_count")

    @api.depends("line_ids.state", "line_ids.link_id")
    def _compute_unreached_count(self):
        unreached = self._unreached_lines().grouped("dispatch_id")
        for dispatch in self:
            dispatch.unreached_count = len(unreached.get(dispatch, ()))

    def _unreached_lines(self):
        """Those who have it in their conversation, and do not know: their notification
        could not leave, or came back. Not of mailings, which try again themselves; nor
        whose link or message was withdrawn.

        :return: ``secure.dispatch.line``, as superuser
        """
        # sudo: of sends the reader already sees
        ours = self.sudo().filtered(lambda dispatch: dispatch.origin != "mailing")
        lines = self.env["secure.dispatch.line"].sudo()
        if not ours:
            return lines
        self.env.flush_all()
        # Few of many: what became of the others is not even looked at
        rows = self.env.execute_query(
            SQL(
                """SELECT DISTINCT line.id
                     FROM secure_dispatch_line AS line
                     JOIN secure_link AS link ON link.id = line.link_id
                     JOIN mail_notification AS notified
                       ON notified.mail_message_id = link.message_id
                      AND notified.res_partner_id = line.partner_id
                    WHERE line.dispatch_id = ANY(%s)
                      AND line.state = 'sent'
                      AND link.revoked_at IS NULL
                      AND EXISTS (SELECT FROM mail_message
                                   WHERE id = line.message_id
                                     AND secure_withdrawn_date IS NULL)
                      AND notified.notification_status = ANY(%s)
                    ORDER BY line.id""",
                ours.ids,
                list(NOT_ARRIVED),
            )
        )
        found = lines.browse(id_ for (id_,) in rows)
        return found.filtered(lambda line: line.delivery in UNREACHED)

    def action_retry(self):
        """Once more to those it did not reach, and to nobody else. Who was refused is
        sent to; who has the message in their conversation, but not the notification,
        gets a new link, and no second message."""
        claimed = self._claim("failed", "sent")
        unreached = claimed._unreached_lines()
        again = claimed.state == "failed" and claimed.can_retry
        if not (unreached or again):
            raise UserError(claimed._no_retry_text())
        problems = unreached._notify_again()
        if not again and len(problems) == len(unreached):
            raise UserError("\n".join(dict.fromkeys(problems.values())))
        if again:
            failed = claimed.line_ids.filtered(lambda line: line.state == "failed")
            failed.write({"state": "waiting", "reason": False})
            claimed.activity_ids.filtered("automated").unlink()
            claimed._start_by_hand()

    def _no_retry_text(self):
        if self.state == "failed":
            return self.env._("What was to be said is not kept. Please send it again.")
        return self.env._("There is nobody to try again.")
