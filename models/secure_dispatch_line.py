from odoo import api, fields, models
from odoo.exceptions import UserError

LINE_STATES = [
    ("waiting", "Waiting"),
    ("sent", "Sent"),
    ("failed", "Failed"),
    ("cancelled", "Cancelled"),
]
DELIVERIES = [
    ("waiting", "Waiting"),
    ("failed", "Not Sent"),
    ("cancelled", "Cancelled"),
    ("queued", "On Its Way"),
    ("error", "Could Not Leave"),
    ("left", "Sent"),
    ("delivered", "Delivered"),
    ("bounced", "Bounced"),
    ("opened", "Opened"),
    ("read", "Read"),
    ("answered", "Answered"),
    ("withdrawn", "Withdrawn"),
]
"""What is known of a notification, the furthest step that was reached. Delivered means
for an SMS that the gateway said so, for an email that the mail server took it and has
not sent it back. Withdrawn means that nobody had read it by then."""
UNREACHED = ("error", "bounced")
NOT_ARRIVED = ("bounce", "exception", "canceled")
"""What Odoo notes of notifications that did not arrive: failures that their author has
dismissed are cancelled ones."""
FROM_NOTIFICATION = {
    "email": {
        "sent": "delivered",
        "bounce": "bounced",
        "exception": "error",
        "canceled": "error",
    },
    "sms": {
        "process": "left",
        "pending": "left",
        "sent": "delivered",
        "bounce": "bounced",
        "exception": "error",
        "canceled": "error",
    },
}


class SecureDispatchLine(models.Model):
    """One recipient of a send. Only what is ``waiting`` is ever sent, in the very
    transaction that marks it ``sent``."""

    _name = "secure.dispatch.line"
    _description = "Secure Send Recipient"
    _rec_name = "partner_id"

    dispatch_id = fields.Many2one(
        "secure.dispatch", required=True, ondelete="cascade", index=True
    )
    partner_id = fields.Many2one(
        "res.partner", "Contact", ondelete="set null", index="btree_not_null"
    )
    res_model = fields.Char(related="dispatch_id.res_model")
    res_id = fields.Many2oneReference("Document", model_field="res_model")
    state = fields.Selection(LINE_STATES, required=True, default="waiting")
    reason = fields.Char("Why Not")
    thread_id = fields.Many2one(
        "secure.thread", "Conversation", ondelete="set null", index="btree_not_null"
    )
    message_id = fields.Many2one(
        "mail.message", ondelete="set null", index="btree_not_null"
    )
    link_id = fields.Many2one(
        "secure.link", ondelete="set null", index="btree_not_null"
    )
    delivery = fields.Selection(DELIVERIES, "Status", compute="_compute_delivery")
    document_name = fields.Char("About", compute="_compute_document_name")

    _waiting_index = models.Index("(dispatch_id, id) WHERE state = 'waiting'")

    @api.depends("state", "thread_id", "message_id", "link_id")
    def _compute_delivery(self):
        # sudo: dates and states only, of sends the reader already sees
        lines = self.sudo()
        answered = lines._answered_threads_of(lines.thread_id)
        # Read for all at once: each line below knows one message only
        notified = lines.message_id.browse(
            filter(None, lines.link_id.mapped("message_id"))
        )
        notified.notification_ids.fetch(
            ["notification_status", "notification_type", "res_partner_id"]
        )
        for line in lines:
            line.delivery = line._delivery(answered)

    def _delivery(self, answered):
        if self.state != "sent":
            return self.state
        return self._delivery_of(
            self.message_id, self.link_id, self.partner_id, answered.get(self.thread_id)
        )

    @api.model
    def _delivery_of(self, message, link, partner, answered):
        """What became of a message that was sent, all records as superuser.

        :param answered: when the contact wrote last; None if never
        """
        if answered and answered > message.date:
            return "answered"
        if message.secure_seen_date:
            return "read"
        if message.secure_withdrawn_date:
            return "withdrawn"
        if link.opened_at:
            return "opened"
        # Of the last notification: a new link comes with one of its own
        notified = message.browse(link.message_id or message.id)
        notified = notified.with_prefetch(message._prefetch_ids)
        row = notified.notification_ids.filtered(
            lambda row: row.res_partner_id == partner
        )[:1]
        status = row.notification_status
        if status == "canceled" and link.revoked_at:
            return "cancelled"
        return FROM_NOTIFICATION.get(row.notification_type, {}).get(status, "queued")

    @api.model
    def _answered_threads_of(self, asked):
        """When each conversation's contact wrote last; one query for all."""
        # sudo: dates only, of sends the reader already sees
        groups = (
            self.env["mail.message"]
            .sudo()
            ._read_group(
                [
                    ("model", "=", "secure.thread"),
                    ("res_id", "in", asked.ids),
                    ("secure_direction", "=", "inbound"),
                ],
                ["res_id"],
                ["date:max"],
            )
        )
        return {asked.browse(res_id): date for res_id, date in groups}

    @api.depends("res_model", "res_id")
    def _compute_document_name(self):
        for model, lines in self.grouped("res_model").items():
            known = model in self.env and model != "res.partner"
            records = self.env[model].browse(lines.mapped("res_id")) if known else None
            names = {}
            if known:
                readable = records.exists()._filtered_access("read")
                names = {record.id: record.display_name for record in readable}
            for line in lines:
                line.document_name = names.get(line.res_id, False)

    def action_new_link(self):
        """Notify again whom the notification did not reach, at the address on file
        now; what was said stands in the conversation already."""
        self.ensure_one()
        self.check_access("read")
        if self.delivery not in UNREACHED:
            raise UserError(self.env._("This notification has left, or is on its way."))
        if self not in self.dispatch_id._unreached_lines():
            raise UserError(
                self.env._(
                    "The link was withdrawn, or the mailing tries again by itself. "
                    "Nothing was sent."
                )
            )
        # sudo: whoever may see the send may have it arrive
        problems = self.sudo()._notify_again()
        if problems:
            raise UserError("\n".join(problems.values()))

    def _notify_again(self):
        """A new link for each, to the address on file by now: nobody is written to
        twice in the conversation.

        :return: dict of the reason, also noted, for each to whom none may leave
        """
        addresses, problems, refused = {}, {}, {}
        for line in self:
            thread, link = line.thread_id, line.link_id
            address = thread._address_on_file(link.channel)
            if address:
                addresses[link] = address
            else:
                text = thread.partner_id._secure_address_problem(link.channel)
                problems[line] = text
        renewed = self.link_id._renew_each(addresses, refused)
        for line in self:
            link = line.link_id
            if link in refused:
                problems[line] = refused[link]
            elif link in renewed:
                line.link_id = renewed[link]
            line.reason = problems.get(line, False)
        return problems

    def action_open_thread(self):
        """Show the conversation, to who may read it."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "secure.thread",
            "res_id": self.thread_id.id,
            "view_mode": "form",
        }
