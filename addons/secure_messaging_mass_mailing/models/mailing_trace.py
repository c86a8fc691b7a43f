from odoo import fields, models

from odoo.addons.secure_messaging.tools import log_filter

REFUSED = "secure_refused"


class MailingTrace(models.Model):
    """Statistics of a mailing. Of a secure one, opened is who passed the gate, clicked
    who read the message, replied who answered in the conversation."""

    _inherit = "mailing.trace"

    secure_link_id = fields.Many2one(
        "secure.link",
        groups=fields.NO_ACCESS,
        ondelete="set null",
        index="btree_not_null",
    )
    failure_type = fields.Selection(
        selection_add=[(REFUSED, "Cannot be sent securely")],
        ondelete={REFUSED: "set null"},
    )

    def write(self, vals):
        """A bounce quotes the mail it returns, a gateway what it refuses: nothing of
        the one is kept, and no link of the other."""
        reason = vals.get("failure_reason")
        if not reason:
            return super().write(vals)
        if vals.get("trace_status") == "bounce":
            secure = self.filtered(lambda trace: trace.sudo().secure_link_id)
            if secure:
                super(MailingTrace, secure).write({**vals, "failure_reason": False})
                rest = self - secure
                return super(MailingTrace, rest).write(vals) if rest else True
        return super().write({**vals, "failure_reason": log_filter.mask(reason)})
