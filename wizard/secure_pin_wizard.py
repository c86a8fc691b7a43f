from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

SCOPES = [
    ("thread", "This conversation only"),
    ("contact", "The contact, in all conversations"),
]


class SecurePinWizard(models.TransientModel):
    """Set, generate or remove a PIN. A typed PIN is never stored in this table."""

    _name = "secure.pin.wizard"
    _description = "Set a PIN"

    partner_id = fields.Many2one("res.partner", "Contact", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    thread_id = fields.Many2one("secure.thread", "Conversation", readonly=True)
    scope = fields.Selection(SCOPES, "For", required=True, default="thread")
    """Of importance to a conversation's wizard only."""
    has_contact = fields.Boolean(compute="_compute_is_set")
    is_set = fields.Boolean(compute="_compute_is_set")
    pin = fields.Char(
        "New PIN", store=False, compute="_compute_pin", inverse="_inverse_pin"
    )
    is_done = fields.Boolean(help="A PIN was typed, and has been set.")

    def _compute_pin(self):
        self.pin = False

    def _inverse_pin(self):
        """Saving the form sets the PIN; the form never gets it back."""
        for wizard in self.filtered("pin"):
            self.env["secure.pin"]._set(wizard._checked_owner(), wizard.pin)
            wizard.is_done = True
            wizard.pin = False

    @api.depends("partner_id", "company_id", "thread_id", "scope")
    def _compute_is_set(self):
        """Of what the current user may read; a client can name any conversation."""
        for wizard in self:
            thread = wizard.thread_id
            readable = not thread or thread.has_access("read")
            owner = readable and wizard._owner()
            seen = owner and owner.has_access("read")
            wizard.is_set = bool(seen and self.env["secure.pin"]._of(owner))
            # sudo: whether there is a contact; the conversation is the reader's
            wizard.has_contact = bool(readable and thread.sudo().partner_id)

    def action_save(self):
        """Close the form; saving it has set the PIN."""
        self.ensure_one()
        if not self.is_done:
            raise UserError(self.env._("Please type a PIN, or have one generated."))
        return {"type": "ir.actions.act_window_close"}

    def action_generate(self):
        """Set a random PIN and show it, this once."""
        self.ensure_one()
        pin = self.env["secure.pin"]._generate(self._checked_owner())
        return {
            "type": "ir.actions.client",
            "tag": "secure_messaging.show_pin",
            "params": {"pin": pin, "name": self._owner().display_name},
        }

    def action_clear(self):
        """Remove the PIN."""
        self.ensure_one()
        if self._owner()._name == "secure.thread":
            raise UserError(
                self.env._(
                    "A conversation keeps asking for a PIN of its own: it can be "
                    "replaced, not removed."
                )
            )
        self.env["secure.pin"]._clear(self._checked_owner())
        return {"type": "ir.actions.act_window_close"}

    def _owner(self):
        """Whose PIN it is: a company's, a contact's or a conversation's."""
        if self.thread_id and self.scope == "contact":
            return self.thread_id.partner_id
        return self.thread_id or self.partner_id or self.company_id

    def _checked_owner(self):
        """The same, if the current user may give it a PIN."""
        owner = self._owner()
        owner.ensure_one()
        group = "group_admin" if owner._name == "res.company" else "group_user"
        if not self.env.user.has_group(f"secure_messaging.{group}"):
            raise AccessError(self.env._("You may not set this PIN."))
        if self.thread_id:
            self.thread_id.check_access("write")
            if not self.thread_id.partner_id:
                raise UserError(self.env._("Among colleagues no PIN is asked."))
        owner.check_access("read")
        return owner
