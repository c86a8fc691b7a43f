from odoo import fields, models

from odoo.addons.secure_messaging.tools import log_filter

REFUSED = "secure_refused"


def trace_of(values):
    """The trace among the values that a mail or SMS is to be made from: a dict, to be
    changed in place."""
    commands = values.get("mailing_trace_ids")
    return commands[0][2] if commands else {}


def refuse_trace(values, problem):
    """Have the trace say why a mail or SMS is not made."""
    trace_of(values).update(
        trace_status="error", failure_type=REFUSED, failure_reason=problem
    )


def repeat_trace(values, failure_type):
    """Have the trace say that its contact has the mailing already."""
    trace_of(values).update(trace_status="cancel", failure_type=failure_type)


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
            # sudo: only which of them are secure
            secure = self.filtered(lambda trace: trace.sudo().secure_link_id)
            if secure:
                super(MailingTrace, secure).write({**vals, "failure_reason": False})
                rest = self - secure
                return super(MailingTrace, rest).write(vals) if rest else True
        return super().write({**vals, "failure_reason": log_filter.mask(reason)})
