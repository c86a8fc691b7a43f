from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError


class ResPartner(models.Model):
    _inherit = "res.partner"

    secure_thread_count = fields.Integer(
        "Conversations",
        compute="_compute_secure_thread_count",
        groups="secure_messaging.group_user",
    )
    secure_pin_is_set = fields.Boolean(
        "PIN set", compute="_compute_secure_pin_is_set", groups="base.group_user"
    )

    @api.depends_context("uid", "allowed_company_ids")
    def _compute_secure_thread_count(self):
        counts = dict(
            self.env["secure.thread"]._read_group(
                [("partner_id", "in", self.ids)], ["partner_id"], ["__count"]
            )
        )
        for partner in self:
            partner.secure_thread_count = counts.get(partner, 0)

    def _compute_secure_pin_is_set(self):
        # sudo: whether there is a PIN is no secret to staff, only what it is
        pins = self.env["secure.pin"].sudo()
        pins = pins.search([("partner_id", "in", self.ids), ("is_void", "=", False)])
        with_pin = set(pins.partner_id.ids)
        for partner in self:
            partner.secure_pin_is_set = partner.id in with_pin

    # -- life --------------------------------------------------------------------

    @api.ondelete(at_uninstall=False)
    def _unlink_except_secure(self):
        """Say it before the database does: conversations keep their contact."""
        # sudo: whether there are any, whoever may read them
        threads = self.env["secure.thread"].sudo().with_context(active_test=False)
        kept = threads.search([("partner_id", "in", self.ids)]).partner_id
        if kept:
            raise UserError(
                self.env._(
                    "There are secure conversations with %(contacts)s. Such a contact "
                    "can be archived, which closes the conversations, or merged with "
                    "another record of the same person.",
                    contacts=", ".join(kept.mapped("display_name")),
                )
            )

    # -- address -----------------------------------------------------------------

    def _secure_address(self, channel):
        """The one address notifications of a channel go to.

        :param str channel: ``email`` or ``sms``
        :return: normalized email address, or number in E.164; False without one
        """
        self.ensure_one()
        if channel == "email":
            return self.email_normalized
        return self.phone_sanitized

    def _secure_address_problem(self, channel):
        """Why :meth:`_secure_address` gave none, as text for the sender."""
        name = self.display_name
        if channel == "email" and self.email:
            return self.env._(
                "The email address of %(contact)s is not valid: %(email)s",
                contact=name,
                email=self.email,
            )
        if channel == "email":
            return self.env._("%(contact)s has no email address.", contact=name)
        if self.phone:
            return self.env._(
                "The phone number of %(contact)s is not valid: %(phone)s. Please write "
                "it with its country code, like +32 470 12 34 56.",
                contact=name,
                phone=self.phone,
            )
        return self.env._("%(contact)s has no phone number.", contact=name)

    # -- what a message will ask for ----------------------------------------------

    @api.readonly
    def secure_pin_line(self, res_model=False, res_id=False):
        """For the chatter's composer: see ``secure.road._pin_line``.

        :param str res_model: of the document that is written about
        """
        if not self.env.user._is_internal():
            raise AccessError(self.env._("Only staff may send secure messages."))
        self.check_access("read")
        record = None
        if res_model in self.env and res_id:
            record = self.env[res_model].browse(res_id)
            record.check_access("read")
        road = self.env["secure.road"]
        contacts, _colleagues = road._split(self)
        return road._pin_line([{"partner": one, "record": record} for one in contacts])

    # -- actions -----------------------------------------------------------------

    def action_secure_compose(self):
        """Write to the contact."""
        self.ensure_one()
        defaults = {"default_partner_ids": self.ids}
        return self.env["secure.compose"]._form_action(context=defaults)

    def action_secure_pin(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("PIN of %(contact)s", contact=self.display_name),
            "res_model": "secure.pin.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_partner_id": self.id, "dialog_size": "medium"},
        }

    def action_secure_generate_pins(self):
        """Give chosen contacts random PINs, after asking."""
        self.env["secure.pin.bulk"]._check_may_set()
        wizard = self.env["secure.pin.generate"].create({"partner_ids": self.ids})
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Generate PINs"),
            "res_model": wizard._name,
            "res_id": wizard.id,
            "views": [(False, "form")],
            "target": "new",
            "context": {"dialog_size": "medium"},
        }

    def action_secure_threads(self):
        """Show the contact's conversations."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "secure_messaging.secure_thread_action"
        )
        return {**action, "domain": [("partner_id", "=", self.id)], "context": {}}
