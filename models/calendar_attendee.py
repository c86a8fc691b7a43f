"""C2 for appointments: invitations, changes and reminders by email."""

from odoo import api, fields, models
from odoo.tools import split_every

from ..tools import ics, own_code
from .secure_dispatch_line import DELIVERIES
from .secure_dispatch_run import CHUNK

ICS_NAME = "invitation.ics"
MESSAGE_FIELDS = ("attachment_ids", "body_html", "report_template_ids", "subject")
"""What of a template makes the message. Whom it goes to, the attendees say."""


class CalendarAttendee(models.Model):
    _inherit = "calendar.attendee"

    event_stop = fields.Datetime("End of the Appointment", related="event_id.stop")
    secure_message_count = fields.Integer(
        "Secure Messages",
        compute="_compute_secure_messages",
        groups="secure_messaging.group_user",
    )
    secure_status = fields.Selection(
        DELIVERIES,
        "Last Secure Message",
        compute="_compute_secure_messages",
        groups="secure_messaging.group_user",
    )

    @api.depends_context("uid", "allowed_company_ids")
    def _compute_secure_messages(self):
        """Of the conversations the user may read; the same few queries for any list."""
        threads = self.event_id._secure_readable_threads()
        by_pair = {}
        for thread in threads:
            pair = (thread.res_id, thread.partner_id.id)
            by_pair[pair] = by_pair.get(pair, threads.browse()) | thread
        counts = threads._secure_message_counts()
        states = threads._secure_delivery_states()
        failed = self._secure_failed_lines()
        for attendee in self:
            pair = (attendee.event_id.id, attendee.partner_id.id)
            own = by_pair.get(pair, threads.browse())
            attendee.secure_message_count = sum(counts.get(id_, 0) for id_ in own.ids)
            date, state = max(
                (states[id_] for id_ in own.ids if id_ in states), default=(None, False)
            )
            if pair in failed and (not date or failed[pair] > date):
                state = "failed"
            attendee.secure_status = state

    def _secure_failed_lines(self):
        """When an attendee could not be sent to, as far as the user may know.

        :return: dict of the last date by (event id, partner id)
        """
        groups = self.env["secure.dispatch.line"]._read_group(
            [
                ("dispatch_id.res_model", "=", "calendar.event"),
                ("res_id", "in", self.event_id.ids),
                ("partner_id", "in", self.partner_id.ids),
                ("state", "=", "failed"),
            ],
            ["res_id", "partner_id"],
            ["write_date:max"],
        )
        return {(res_id, partner.id): date for res_id, partner, date in groups}

    # -- sending -----------------------------------------------------------------

    def _notify_attendees(self, mail_template, notify_author=False, force_send=False):
        """Odoo's way to invite and remind. When it is to be secure, each contact gets
        a message in the conversation about the appointment, which stays inside with its
        files; colleagues among the attendees take part, and are told without content.
        """
        if not self._secure_notifies(mail_template):
            return super()._notify_attendees(
                mail_template, notify_author=notify_author, force_send=force_send
            )
        # Refuses who is not staff, unless Odoo itself sends
        self.env["secure.road"]._acting()
        attendees = self.with_prefetch()._secure_notified(notify_author)
        if not attendees:
            return False
        template = mail_template.with_env(self.env)
        rows = []
        for ids in split_every(CHUNK, attendees.ids):
            rows += attendees.browse(ids)._secure_rows(template)
        self.env["secure.dispatch"]._send_about_appointments(
            rows, {"channel": "email", "template_id": template.id}
        )
        attendees._secure_tell_colleagues()
        return None

    def _secure_notifies(self, mail_template):
        if not mail_template or isinstance(mail_template, str):
            return False
        # A client's context may ask for this too: the key only adds protection
        if self.env.context.get("secure_reminders"):
            return True
        # sudo: how a template is sent, whoever may use it
        secure = mail_template.sudo().send_securely
        return secure and not own_code.is_standard(self.env, mail_template)

    def _secure_notified(self, notify_author):
        """Those whom Odoo would notify; also without an email address, so that it is
        listed whom nothing could be sent to."""
        # sudo: one switch for all
        blocked = self.env["ir.config_parameter"].sudo().get_param
        if blocked("calendar.block_mail") or self.env.context.get(
            "no_mail_to_attendees"
        ):
            return self.browse()
        silent = self.event_id.filtered(
            lambda event: event._skip_send_mail_status_update()
        )
        return self.filtered(
            lambda attendee: attendee.event_id not in silent
            and attendee._should_notify_attendee(notify_author=notify_author)
        )

    def _secure_rows(self, template):
        """A row for each contact among the attendees, in their language.

        :return: list of rows for ``secure.dispatch._deliver``
        """
        road = self.env["secure.road"]
        contacts, _colleagues = road._split(self.partner_id)
        attendees = self.filtered(lambda attendee: attendee.partner_id in contacts)
        if not attendees:
            return []
        generated, refused = template._secure_generate(attendees.ids, MESSAGE_FIELDS)
        problems = {row["res_id"]: row["problem"] for row in refused}
        files = dict(
            zip(generated, road._files_of(list(generated.values())), strict=True)
        )
        invitations = attendees.event_id._get_ics_file()
        rows = []
        for attendee in attendees:
            event = attendee.event_id
            row = event._secure_envelope(attendee.partner_id)
            if attendee.id in problems:
                rows.append({**row, "problem": problems[attendee.id]})
                continue
            own = list(files[attendee.id])
            if event.id in invitations:
                own.append((ICS_NAME, attendee._secure_ics(invitations[event.id])))
            rows.append(
                {
                    **row,
                    "channel": "email",
                    "subject": generated[attendee.id].get("subject"),
                    "body": generated[attendee.id].get("body_html"),
                    "attachments": own,
                }
            )
        return rows

    def _secure_ics(self, data):
        """The calendar file as far as this attendee may know what it says. Odoo lists
        all attendees in it, and describes the first of them. Whose appointment it is
        stands in it anyway."""
        # sudo: facts that are left out
        event = self.event_id.sudo()
        known = self.partner_id.sudo() | event.partner_id
        others = event.attendee_ids.partner_id - known
        facts = [
            text
            for partner in others
            for text in (partner.name, partner.email_normalized, partner.phone)
            if text
        ]
        return ics.for_attendee(data, self.email, facts)

    def _secure_tell_colleagues(self):
        """One notice to each colleague, of all their appointments among these: where to
        look, and nothing of what is there."""
        _contacts, colleagues = self.env["secure.road"]._split(self.partner_id)
        groups = {}
        for user in colleagues:
            own = self.filtered(
                lambda attendee, user=user: attendee.partner_id == user.partner_id
            )
            key = (own.event_id, user.lang)
            groups[key] = groups.get(key, colleagues.browse()) | user
        for (events, lang), users in groups.items():
            events.with_context(lang=lang)._secure_tell(users)
