from odoo import api, fields, models

from ..tools import own_code


class SecureChoice(models.AbstractModel):
    """“Send Securely” of what sends a template by itself: as the template says, or as
    was decided for it. Who decided for secure is not overruled by the template."""

    _name = "secure.choice"
    _description = "Choice to Send Securely"
    _secure_follows = frozenset()
    """The fields that say which template's mark the switch follows."""

    secure_send = fields.Boolean(
        "Send Securely", compute="_compute_secure_send", store=True, readonly=False
    )
    secure_send_chosen = fields.Boolean(
        readonly=True, help="Decided for secure, whatever becomes of the template."
    )

    @api.model_create_multi
    def create(self, vals_list):
        protected = own_code.only_protecting(self)
        records = super(SecureChoice, protected).create(vals_list).with_env(self.env)
        for record, vals in zip(records, vals_list, strict=True):
            if vals.get("secure_send"):
                record._note_choice(on_its_own=False)
        return records

    def write(self, vals):
        result = super().write(vals)
        if vals.get("secure_send"):
            on_its_own = not self._secure_follows & vals.keys()
            for record in self:
                record._note_choice(on_its_own)
        elif "secure_send" in vals:
            self.secure_send_chosen = False
        return result

    def _note_choice(self, on_its_own):
        """The switch was set to secure: was it decided, or does a form repeat what its
        template says?

        :param bool on_its_own: without anything that the switch follows
        """
        if on_its_own or not self._secure_by_template():
            self.secure_send_chosen = True

    # Not to be computed when ``secure_send_chosen`` changes: that follows a decision,
    # which for standard must not be computed away
    def _compute_secure_send(self):
        for record in self:
            says = record._secure_by_template()
            chosen = record.secure_send_chosen and says is not None
            record.secure_send = chosen or bool(says)

    def _secure_by_template(self):
        """Whether its template is marked; None for what sends no template."""
        raise NotImplementedError
