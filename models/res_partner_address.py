"""Changes of the addresses that notifications and codes go to."""

from odoo import api, fields, models

from .secure_address import CHANNELS


class ResPartnerAddress(models.Model):
    _inherit = "res.partner"

    secure_email_changed = fields.Boolean(
        compute="_compute_secure_changed", groups="secure_messaging.group_user"
    )
    secure_phone_changed = fields.Boolean(
        compute="_compute_secure_changed", groups="secure_messaging.group_user"
    )

    @api.depends_context("allowed_company_ids")
    def _compute_secure_changed(self):
        """Whether an address waits to be confirmed, where that keeps codes or messages
        from it."""
        # sudo: whether there are conversations, not what is written
        threads = self.env["secure.thread"].sudo()
        groups = threads._read_group(
            [("partner_id", "in", self.ids)], ["partner_id"], ["pin_rule:array_agg"]
        )
        rules = {partner.id: found for partner, found in groups}
        all_asked = self.env.company._secure_least_rule() == "code"
        changed = self.env["secure.address"]._unconfirmed(self)
        outside = self.env["secure.address"]._outside(self)
        for partner in self:
            own_rules = rules.get(partner.id, ())
            codes = all_asked or "code" in own_rules
            waiting = changed if codes else outside if own_rules else ()
            email, phone = ((partner.id, channel) in waiting for channel in CHANNELS)
            partner.secure_email_changed = email and partner.email
            partner.secure_phone_changed = phone and partner.phone

    @api.model_create_multi
    def create(self, vals_list):
        """A contact that somebody outside makes has chosen the addresses alone."""
        partners = super().create(vals_list)
        addresses = self.env["secure.address"]
        if not addresses._is_staff(addresses._changing_user()):
            addresses._note(
                (partner_id, channel)
                for (partner_id, channel), address in partners._secure_reached().items()
                if address
            )
        return partners

    def write(self, vals):
        """Note which addresses are other ones afterwards; what writes something else
        costs nothing."""
        if vals.keys().isdisjoint(self._secure_address_fields()):
            return super().write(vals)
        before = self._secure_reached()
        result = super().write(vals)
        after = self._secure_reached()
        self.env["secure.address"]._note(
            place for place, address in after.items() if address != before[place]
        )
        return result

    @api.model
    def _secure_address_fields(self):
        """What email addresses and numbers are worked out from."""
        return {"email", *self._phone_get_sanitize_triggers()}

    def _secure_reached(self):
        """Where each contact is reached.

        :return: dict of address by (id of the contact, channel)
        """
        # sudo: compared and not shown; whoever writes need not be able to read
        return {
            (partner.id, channel): partner._secure_address(channel)
            for partner in self.sudo()
            for channel in CHANNELS
        }

    def action_secure_confirm_email(self):
        """Let one-time codes go to the email address, although it was changed."""
        self.ensure_one()
        self.env["secure.address"]._confirm(self, "email")

    def action_secure_confirm_phone(self):
        """Let one-time codes go to the phone number, although it was changed."""
        self.ensure_one()
        self.env["secure.address"]._confirm(self, "sms")
