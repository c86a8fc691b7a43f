"""Which addresses were changed, and may not be trusted with one-time codes yet."""

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import AccessError
from odoo.http import request
from odoo.tools import SQL

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
        if not partners:
            return set()
        # sudo: whether an address was changed lately, for who may send to it
        rows = self.sudo().search(
            [("partner_id", "in", partners.ids), ("confirmed_at", "=", False), *domain]
        )
        return {(row.partner_id.id, row.channel) for row in rows}

    @api.model
    def _confirm(self, partner, channel):
        """Somebody of the staff has made sure that the address is the contact's."""
        if not self.env.user.has_group("secure_messaging.group_user"):
            raise AccessError(self.env._("You may not confirm this address."))
        partner.check_access("read")
        # sudo: the user may, as checked; rows are the system's
        rows = self.sudo().search(
            [("partner_id", "=", partner.id), ("channel", "=", channel)]
        )
        rows.write(
            {"confirmed_at": fields.Datetime.now(), "confirmed_by_id": self.env.uid}
        )
