"""Appointments: whom a secure message about one goes to, and reminders by SMS."""

from functools import partial

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..tools import own_code


class CalendarEvent(models.Model):
    _inherit = "calendar.event"

    secure_message_count = fields.Integer(
        "Secure Messages",
        compute="_compute_secure_message_count",
        groups="secure_messaging.group_user",
        help="Secure messages to and from the attendees, of the conversations you may "
        "read.",
    )

    @api.depends_context("uid", "allowed_company_ids")
    def _compute_secure_message_count(self):
        threads = self._secure_readable_threads()
        counts = threads._secure_message_counts()
        totals = {}
        for thread in threads:
            totals[thread.res_id] = totals.get(thread.res_id, 0) + counts.get(
                thread.id, 0
            )
        for event in self:
            event.secure_message_count = totals.get(event.id, 0)

    def _secure_readable_threads(self):
        """The conversations about these appointments that the user may read."""
        return self.env["secure.thread"].search(
            [("res_model", "=", self._name), ("res_id", "in", self.ids)]
        )

    # -- who ---------------------------------------------------------------------

    def _secure_recipients(self):
        """The contacts who attend each appointment, and have not declined.

        :return: dict of ``res.partner`` by event id
        :raise AccessError: for a person who may not see an appointment's details
        """
        self._secure_check_details()
        return self._secure_attending()[0]

    def _secure_colleagues(self):
        """The colleagues who attend each appointment, and have not declined.

        :return: dict of ``res.users`` by event id
        """
        return self._secure_attending()[1]

    def _secure_attendees(self):
        return self.attendee_ids.filtered(lambda row: row.state != "declined")

    def _secure_attending(self):
        attendees = self._secure_attendees()
        contacts, colleagues = self.env["secure.road"]._split(attendees.partner_id)
        by_event = attendees.grouped("event_id")
        who, inside = {}, {}
        for event in self:
            partners = by_event.get(event, attendees.browse()).partner_id
            who[event.id] = partners & contacts
            inside[event.id] = colleagues.filtered(
                lambda user, partners=partners: user.partner_id in partners
            )
        return who, inside

    def _secure_check_details(self):
        hidden = self._secure_hidden()
        if hidden:
            raise AccessError(hidden._secure_hidden_text())

    def _secure_hidden(self):
        """Other people's private appointments. Odoo masks them, but not under
        ``sudo()``: whoever may not see them must not write about them, either."""
        if not self.env["secure.road"]._sender():
            return self.browse()
        seen = self.sudo(False)
        seen.check_access("read")
        return seen.filtered(lambda event: event._check_private_event_conditions())

    def _secure_hidden_text(self):
        return self.env._(
            "These appointments are private, so that you cannot write about them: "
            "%(list)s",
            list=", ".join(
                f"{event.user_id.name or ''} {event._secure_time()}".strip()
                for event in self
            ),
        )

    def _secure_envelope(self, partner):
        """Who sends to an attendee, who answers for it, and for which company: the
        organiser, as in Odoo, whoever or whatever sets it off."""
        self.ensure_one()
        road = self.env["secure.road"]
        own = road._document_companies(self).get(self.id)
        responsible = road._document_responsible(self, partner) or road._sender()
        return {
            "record": self,
            "res_id": self.id,
            "partner": partner,
            "company": own or road._company_for(responsible, partner),
            **(road._in_the_name_of(responsible) if responsible else {}),
        }

    def _secure_time(self):
        """When it is, with the time zone."""
        # sudo: the time zone only
        zone = self.event_tz or self.sudo().user_id.tz or self.env.user.tz
        return self.get_display_time_tz(zone)

    def _secure_tell(self, users):
        """Tell colleagues to look at these appointments. No name, no place, no text:
        the notice may leave by email."""
        links = Markup("").join(
            Markup('<li><a href="%s">%s</a></li>')
            % (event._notify_get_action_link("view"), event._secure_time())
            for event in self
        )
        text = self.env._(
            "There is something to know about these appointments of yours:"
        )
        # sudo: whoever may plan an appointment may tell its attendees
        self.env["mail.thread"].sudo().message_notify(
            subject=self.env._("Your appointments"),
            body=Markup("<p>%s</p><ul>%s</ul>") % (text, links),
            partner_ids=users.partner_id.ids,
            email_add_signature=False,
        )

    # -- SMS ---------------------------------------------------------------------

    def _do_sms_reminder(self, alarms):
        secure = alarms.filtered("secure_send")
        for alarm in secure:
            self._secure_sms(alarm.sms_template_id, alarm.notify_responsible)
        rest = alarms - secure
        plain = self.with_context(**own_code.standard(rest.sms_template_id))
        return super(CalendarEvent, plain)._do_sms_reminder(rest)

    def _secure_sms(self, template, tell_organiser=False):
        """Send an SMS template to every contact who attends, each in a conversation of
        their own; colleagues are told, without content."""
        template = template.with_env(self.env)
        self.env["secure.dispatch"]._send_about_appointments(
            self._secure_sms_rows(template),
            {"channel": "sms", "sms_template_id": template.id},
        )
        attendees = self._secure_attendees()
        if not tell_organiser:
            attendees = attendees.filtered(
                lambda row: row.partner_id != row.event_id.user_id.partner_id
            )
        attendees._secure_tell_colleagues()

    def _secure_sms_rows(self, template):
        """A row for each contact who attends, in their language and time zone."""
        attending = self._secure_attending()[0]
        groups = {}
        for event in self:
            for partner in attending[event.id]:
                # sudo: the organizer's time zone, to write the time in; whoever sends
                zone = partner.tz or event.event_tz or event.sudo().user_id.tz
                key = (partner.lang, zone)
                groups.setdefault(key, []).append((event, partner))
        road = self.env["secure.road"]
        rows = []
        for (lang, zone), pairs in groups.items():
            ids = list({event.id for event, _partner in pairs})
            spoken = template.with_context(lang=lang, tz=zone)
            bodies = road._render_each(ids, partial(spoken._render_field, "body"))
            for event, partner in pairs:
                row = {**event._secure_envelope(partner), "channel": "sms"}
                body = bodies[event.id]
                if body is None:
                    rows.append({**row, "problem": road._unfilled_text()})
                else:
                    rows.append({**row, "body": road._html(body)})
        return rows

    # -- buttons -----------------------------------------------------------------

    def action_secure_compose(self):
        """Write to the attendees of these appointments; of each appointment only to
        its own."""
        contacts = self._secure_recipients()
        if not any(contacts.values()):
            raise UserError(
                self.env._(
                    "No contact attends these appointments: there is nobody to write "
                    "to securely."
                )
            )
        return self.env["secure.compose"].action_about(self._name, self.ids)

    def action_secure_threads(self):
        """Show the conversations about the appointment."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "secure_messaging.secure_thread_action"
        )
        domain = [("res_model", "=", self._name), ("res_id", "=", self.id)]
        return {**action, "domain": domain, "context": {}}
