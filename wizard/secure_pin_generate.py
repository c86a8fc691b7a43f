from odoo import api, fields, models
from odoo.exceptions import UserError


class SecurePinGenerate(models.TransientModel):
    """Generate PINs for chosen contacts, and show them once. They are in no table but
    sealed, until they have been set."""

    _name = "secure.pin.generate"
    _description = "Generate PINs"

    partner_ids = fields.Many2many("res.partner", string="Contacts", readonly=True)
    replace = fields.Boolean(
        "Also for Those Who Have One",
        help="The PINs they know stop working, and pages they have open close.",
    )
    chosen_count = fields.Integer("Chosen", compute="_compute_counts")
    with_count = fields.Integer("Have a PIN", compute="_compute_counts")
    todo_count = fields.Integer("Get a PIN", compute="_compute_counts")

    @api.depends("partner_ids", "replace")
    def _compute_counts(self):
        for wizard in self:
            wizard.chosen_count = len(wizard.partner_ids)
            wizard.with_count = len(wizard._with_pin())
            wizard.todo_count = len(wizard._todo())

    def _with_pin(self):
        # sudo: who has a PIN, not what it is
        pins = self.env["secure.pin"].sudo()
        pins = pins.search([("partner_id", "in", self.partner_ids.ids)])
        return self.partner_ids.browse(pins.partner_id.ids)

    def _todo(self):
        return self.partner_ids if self.replace else self.partner_ids - self._with_pin()

    def action_generate(self):
        """Set them, and show them this once: the browser alone gets them."""
        self.ensure_one()
        bulks = self.env["secure.pin.bulk"]
        bulks._check_may_set()
        self.partner_ids.check_access("read")
        partners = self._todo()
        if not partners:
            raise UserError(self.env._("All of them have a PIN already."))
        bulk, pins = bulks._generate_pins(partners)
        failed = bulk.line_ids.filtered(lambda line: line.state == "failed").partner_id
        if failed == partners:
            return bulk._form_action()
        return {
            "type": "ir.actions.client",
            "tag": "secure_messaging.show_pins",
            "params": {
                # Told to somebody, a PIN that was not set would open nothing
                "pins": [
                    {"id": partner.id, "name": partner.display_name, "pin": pin}
                    for partner, pin in pins.items()
                    if partner not in failed
                ],
                "failed": len(failed),
                "next": bulk.state != "done" and bulk._form_action(),
            },
        }
