"""Which addresses were changed, and may not be trusted with one-time codes yet."""

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import AccessError
from odoo.http import request
from odoo.tools import SQL, format_date

from ..tools.pin_policy import ADDRESS_SETTLES

CHANNELS = ("email", "sms")


class SecureAddress(models.Model):
    """The last change of a contact's email address or number: when, and by whom.

    Who gets into a mailbox and can change the number next to it would otherwise have
    the link and the code. Holds no address.
    """

    _name = "secure.address"
    _description = "Secure Messaging Change of an Address"
    _log_access = False

    partner_id = fields.Many2one("res.partner", required=True, ondelete="cascade")
    channel = fields.Selection([("email", "Email"), ("sms", "SMS")], required=True)
    changed_at = fields.Datetime(required=True)
    by_staff = fields.Boolean(help="Else by the contact, or somebody else outside.")
    changed_by_id = fields.Many2one("res.users", ondelete="set null")
    confirmed_at = fields.Datetime()
    confirmed_by_id = fields.Many2one("res.users", ondelete="set null")

    _partner_channel_unique = models.UniqueIndex("(partner_id, channel)")

    @api.model
    def _note(self, changes, outside=False):
        """Note that addresses were changed, in one statement.

        :param changes: pairs of (id of the contact, channel)
        :param bool outside: whether somebody outside chose them, whoever is at work
        """
        changes = sorted(changes)
        if not changes:
            return
        user = self.env["res.users"] if outside else self._changing_user()
        rows = [
            SQL(
                "(%s, %s, %s, %s, %s)",
                partner_id,
                channel,
                fields.Datetime.now(),
                self._is_staff(user),
                user.id or None,
            )
            for partner_id, channel in changes
        ]
        self.env.cr.execute(
            SQL(
                """INSERT INTO secure_address
                          (partner_id, channel, changed_at, by_staff, changed_by_id)
                   VALUES %s
              ON CONFLICT (partner_id, channel) DO UPDATE
                      SET changed_at = EXCLUDED.changed_at,
                          by_staff = EXCLUDED.by_staff,
                          changed_by_id = EXCLUDED.changed_by_id,
                          confirmed_at = NULL,
                          confirmed_by_id = NULL""",
                SQL(", ").join(rows),
            )
        )
        self.invalidate_model()

    @api.model
    def _changing_user(self):
        """Who is at work; may be empty. What the superuser does for a visitor, as forms
        of a website do, the visitor does."""
        if self.env.uid == SUPERUSER_ID and request:
            return request.env.user if request.env else self.env["res.users"]
        return self.env.user

    @api.model
    def _is_staff(self, user):
        return bool(user and user._is_internal())

    @api.model
    def _outside(self, partners):
        """Addresses that somebody outside has changed, not confirmed since.

        :return: set of (id of the contact, channel)
        """
        return self._places(partners, [("by_staff", "=", False)])

    @api.model
    def _unconfirmed(self, partners):
        """Addresses that get no codes: changed by somebody outside, or by anybody
        within the last days, and not confirmed since.

        :return: set of (id of the contact, channel)
        """
        settled = fields.Datetime.now() - ADDRESS_SETTLES
        return self._places(
            partners, ["|", ("by_staff", "=", False), ("changed_at", ">", settled)]
        )

    @api.model
    def _places(self, partners, domain):
        """Where changes are not confirmed, among those of a domain."""
        # sudo: whether an address was changed lately, for who may send to it
        rows = self.sudo().search(
            [("partner_id", "in", partners.ids), ("confirmed_at", "=", False), *domain]
        )
        return {(row.partner_id.id, row.channel) for row in rows}

    @api.model
    def _strange(self, ways, automatic=False):
        """Where a conversation must not be shown: at an address that was changed and
        not confirmed since, unless it is the only one the conversation ever went to.

        Changed by somebody outside, it may be anybody's. Staff who change one may write
        to it in a conversation they read; what they set off without reading it, the
        same person could else have sent to themselves.

        :param ways: pairs of (``secure.thread``, channel)
        :param bool automatic: whether nobody who reads the conversation sends
        :return: dict of the change by way
        """
        changes = self._open_changes(ways, automatic)
        if not changes:
            return {}
        # sudo: compared and not shown
        links = self.env["secure.link"].sudo()
        threads = [thread.id for thread, _channel in changes]
        groups = links._read_group(
            [("thread_id", "in", threads)], ["thread_id"], ["address:array_agg"]
        )
        went = {thread: set(addresses) for thread, addresses in groups}
        return {
            (thread, channel): change
            for (thread, channel), change in changes.items()
            if went.get(thread) != {thread._address_on_file(channel)}
        }

    @api.model
    def _open_changes(self, ways, automatic):
        """The changes that nobody has confirmed, by way; those by staff only where they
        came after the conversation began."""
        # sudo: whether addresses were changed, for who may send to them
        threads = self.env["secure.thread"].sudo()
        threads = threads.union(*(thread.sudo() for thread, _channel in ways))
        threads.fetch(["partner_id", "create_date"])
        rows = self.sudo().search(
            [
                ("partner_id", "in", threads.partner_id.ids),
                ("confirmed_at", "=", False),
                *([] if automatic else [("by_staff", "=", False)]),
            ]
        )
        changes = {(row.partner_id, row.channel): row for row in rows}
        found = {}
        for thread, channel in ways:
            # sudo: as above
            change = changes.get((thread.sudo().partner_id, channel))
            if change and not (
                change.by_staff and change.changed_at < thread.sudo().create_date
            ):
                found[thread, channel] = change
        return found

    def _problem(self):
        """Why nothing may be sent to the address within a conversation, as text."""
        partner = self.partner_id
        values = {
            "contact": partner.display_name,
            "address": partner._secure_address(self.channel),
            "date": format_date(self.env, self.changed_at),
        }
        if self.channel == "email":
            return self.env._(
                "The email address of %(contact)s was changed to %(address)s on "
                "%(date)s, by somebody outside, and nobody has confirmed it. Whoever "
                "reads there would see this whole conversation. Please ask the "
                "contact, not by email, and confirm it on the contact.",
                **values,
            )
        return self.env._(
            "The phone number of %(contact)s was changed to %(address)s on %(date)s, "
            "by somebody outside, and nobody has confirmed it. Whoever reads there "
            "would see this whole conversation. Please ask the contact, not by SMS, "
            "and confirm it on the contact.",
            **values,
        )

    @api.model
    def _confirm(self, partner, channel):
        """Somebody of the staff has made sure that the address is the contact's.

        Who changed it may do so, too: some practices are one person. Whoever answers
        for the conversations is told then.
        """
        if not self.env.user.has_group("secure_messaging.group_user"):
            raise AccessError(self.env._("You may not confirm this address."))
        partner.check_access("read")
        # sudo: the user may, as checked; rows are the system's
        rows = self.sudo().search(
            [
                ("partner_id", "=", partner.id),
                ("channel", "=", channel),
                ("confirmed_at", "=", False),
            ]
        )
        if not rows:
            return
        rows.write(
            {"confirmed_at": fields.Datetime.now(), "confirmed_by_id": self.env.uid}
        )
        # sudo: the contact's conversations, those the current user does not see as well
        threads = self.env["secure.thread"].sudo().with_context(active_test=False)
        threads = threads.search([("partner_id", "=", partner.id)])
        address = self.env["secure.link"]._mask(partner._secure_address(channel) or "")
        self.env["secure.access.log"]._log(
            "address_confirmed", threads, channel=channel, address=address
        )
        if rows.changed_by_id == self.env.user:
            threads._tell_others("address_confirmed")
