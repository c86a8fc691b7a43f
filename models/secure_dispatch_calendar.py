"""Sends about appointments: invitations, changes and reminders."""

from odoo import api, models
from odoo.fields import Command
from odoo.tools import groupby

from ..tools import own_code


class SecureDispatchCalendar(models.Model):
    _inherit = "secure.dispatch"

    @api.model
    def _send_about_appointments(self, rows, values):
        """Send rows of appointments, all in one go for each company and organiser: the
        one keeps companies apart, by the other each sees what was sent in their name.

        :param list rows: for :meth:`_deliver`, each with ``company``
        :param dict values: of the sends
        """
        nobody = self.env["res.users"]
        for (company, responsible), group in groupby(
            rows, lambda row: (row["company"], row.get("responsible", nobody))
        ):
            dispatch = self._begin(
                {
                    **values,
                    "origin": "calendar",
                    "res_model": "calendar.event",
                    "company_id": company.id,
                    "responsible_id": responsible.id,
                }
            )
            dispatch._deliver(group)
            dispatch._finish()

    def _deliver(self, rows, notify=True, leave=True):
        # sudo: authors need no access to their sends
        if self.sudo().origin != "calendar":
            self._refuse_hidden(rows)
            return super()._deliver(rows, notify=notify, leave=leave)
        # Nobody has written these: the rows say who answers for them
        automatic = self.with_context(**own_code.AUTOMATIC)
        sent = super(SecureDispatchCalendar, automatic)._deliver(
            rows, notify=notify, leave=leave
        )
        self._join_colleagues(rows, sent)
        self.env["secure.road"]._log_lines(rows, sent)
        return sent

    @api.model
    def _refuse_hidden(self, rows):
        """Who may not see an appointment does not write about it; the others go."""
        road = self.env["secure.road"]
        hidden = road._appointments_of(rows)._secure_hidden()
        for row in rows:
            if not row.get("problem") and road._appointments_of([row]) & hidden:
                row["problem"] = road._appointments_of([row])._secure_hidden_text()

    @api.model
    def _join_colleagues(self, rows, sent):
        """Colleagues who attend take part in the conversations with those who do: in
        those that begin here, or that whoever sets this off may read. Else whoever can
        change an appointment would read what was said before."""
        readable = self.env["secure.thread"].union(*(result.thread for result in sent))
        readable = readable._filtered_readable()
        begun = {result.thread for result in sent if result.started}
        done = [
            (row["record"], result.thread)
            for row, result in zip(rows, sent, strict=True)
            if result.thread in readable or result.thread in begun
        ]
        events = self.env["calendar.event"].union(*(event for event, _thread in done))
        colleagues = events._secure_colleagues()
        by_users = {}
        for event, thread in done:
            # sudo: who answers for it reads it anyway
            users = colleagues[event.id] - thread.sudo().responsible_id
            by_users[users] = by_users.get(users, thread.browse()) | thread
        for users, threads in by_users.items():
            # sudo: taking part follows from the appointment
            commands = [Command.link(user.id) for user in users]
            if commands:
                threads.sudo().participant_ids = commands

    def _rows(self, lines):
        """A send that is tried again: rendered anew, for who attends by now."""
        # sudo: authors need no access to their sends
        if self.sudo().origin != "calendar":
            return super()._rows(lines)
        waiting = {(line.res_id, line.partner_id.id): line for line in lines}
        rows = [
            {**row, "line": waiting[row["res_id"], row["partner"].id]}
            for row in self._appointment_rows(lines)
            if (row["res_id"], row["partner"].id) in waiting
        ]
        return rows

    def _appointment_rows(self, lines):
        model = self.env["calendar.event"]
        events = model.browse(set(lines.mapped("res_id"))).exists()
        if self.channel == "sms":
            return events._secure_sms_rows(self.sms_template_id)
        attendees = events.attendee_ids.filtered(
            lambda attendee: attendee.partner_id in lines.partner_id
        )
        return attendees._secure_rows(self.template_id)
