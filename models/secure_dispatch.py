from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..tools import content
from .secure_link import DEFAULT_EXPIRY_HOURS, EXPIRY_HOURS

ORIGINS = [
    ("compose", "Composed"),
    ("template", "Template"),
    ("composer", "Composer"),
    ("chatter", "Document"),
    ("sms", "SMS"),
    ("calendar", "Appointment"),
    ("mailing", "Mailing"),
]
STATES = [
    ("scheduled", "Scheduled"),
    ("running", "Running"),
    ("sent", "Sent"),
    ("failed", "Partly Failed"),
    ("held", "On Hold"),
    ("cancelled", "Cancelled"),
]
STOPS = [
    ("author", "Whoever wrote this has left, so it was not sent."),
    (
        "right",
        "Whoever wrote this may no longer send secure messages: it was not sent.",
    ),
    ("nobody", "When it was to be sent, no contact matched its filter."),
]
"""Why a send as a whole did not take place."""


class SecureDispatch(models.Model):
    """One act of sending: what, to whom, when, and what became of it."""

    _name = "secure.dispatch"
    _description = "Secure Send"
    _inherit = ["secure.sealed", "mail.thread", "mail.activity.mixin"]
    _order = "date desc, id desc"

    name = fields.Char("Reference", required=True, readonly=True, copy=False)
    origin = fields.Selection(ORIGINS, required=True, readonly=True)
    state = fields.Selection(
        STATES, required=True, readonly=True, default="running", index=True
    )
    stopped = fields.Selection(STOPS, "Why It Stopped", readonly=True)
    user_id = fields.Many2one(
        "res.users",
        "Sent By",
        readonly=True,
        index=True,
        help="Empty for what an automation sent.",
    )
    is_automatic = fields.Boolean(
        readonly=True, help="Sent by an automation, with the rights it runs with."
    )
    responsible_id = fields.Many2one("res.users", readonly=True)
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True
    )
    date = fields.Datetime(
        required=True, readonly=True, default=fields.Datetime.now, index=True
    )
    scheduled_at = fields.Datetime("Scheduled For", readonly=True)
    channel = fields.Selection(
        [("email", "Email"), ("sms", "SMS")], required=True, readonly=True
    )
    subject = fields.Char(compute="_compute_content")
    body = fields.Html(compute="_compute_content", sanitize=False)
    title = fields.Char(compute="_compute_title")
    template_id = fields.Many2one("mail.template", readonly=True, ondelete="set null")
    sms_template_id = fields.Many2one(
        "sms.template", readonly=True, ondelete="set null"
    )
    res_model = fields.Char("Document Model", readonly=True, index=True)
    about_appointments = fields.Boolean(
        "With Appointment", compute="_compute_about_appointments", store=True
    )
    expiry_hours = fields.Selection(
        EXPIRY_HOURS, "Link Expires After", default=DEFAULT_EXPIRY_HOURS, readonly=True
    )
    renewable = fields.Boolean("Contacts May Renew", default=True, readonly=True)
    has_pin = fields.Boolean("PIN of Its Own", readonly=True)
    is_final = fields.Boolean(
        readonly=True, help="Subject and text are as they were typed, without fields."
    )
    participant_ids = fields.Many2many(
        "res.users", string="Colleagues", readonly=True, help="Take part inside."
    )
    can_retry = fields.Boolean(default=True, readonly=True)
    attachment_ids = fields.One2many(
        "ir.attachment",
        "res_id",
        "Files",
        domain=[("res_model", "=", "secure.dispatch")],
        readonly=True,
    )
    recipient_filter = fields.Char(
        readonly=True, help="Contacts that match it when it leaves are its recipients."
    )
    line_ids = fields.One2many(
        "secure.dispatch.line", "dispatch_id", "Recipients", readonly=True
    )
    waiting_count = fields.Integer("Waiting", compute="_compute_counts")
    sent_count = fields.Integer("Sent", compute="_compute_counts")
    failed_count = fields.Integer("Failed", compute="_compute_counts")
    line_count = fields.Integer("Number of Recipients", compute="_compute_counts")
    progress = fields.Float(compute="_compute_counts")

    @api.model_create_multi
    def create(self, vals_list):
        self._only_system()
        for vals in vals_list:
            vals["name"] = self.env["ir.sequence"].next_by_code(self._name)
        quiet = {
            "mail_create_nolog": True,
            "mail_create_nosubscribe": True,
            "tracking_disable": True,
        }
        return super(SecureDispatch, self.with_context(**quiet)).create(vals_list)

    def write(self, vals):
        if not vals.keys() <= {"activity_ids"}:
            self._only_system()
        return super().write(vals)

    def copy(self, default=None):  # pylint: disable=method-required-super
        raise UserError(self.env._("What was sent cannot be copied."))

    @api.model
    def _only_system(self):
        if not self.env.su:
            raise AccessError(
                self.env._("Secure sends are made and changed by sending.")
            )

    # -- content -----------------------------------------------------------------

    def _may_open(self):
        return bool(self._filtered_readable())

    def _filtered_readable(self):
        """Those whose content the current user may see in clear. Who may read the send
        may read what it says; the system user is no reader."""
        env = self.env
        if env.uid == api.SUPERUSER_ID or not env.user._is_internal():
            return self.browse()
        return self.sudo(False)._filtered_access("read").with_env(env)

    @api.depends_context("uid")
    def _compute_content(self):
        locked = self.env["secure.keyring"]._status()["problem"]
        for dispatch in self:
            dispatch.subject = not locked and dispatch._open("sealed_subject")
            body = not locked and dispatch._open("sealed_body")
            dispatch.body = body and content.clean_template(body)

    @api.depends("template_id", "sms_template_id")
    @api.depends_context("uid")
    def _compute_title(self):
        """What a send is called in a list: an SMS has no subject, and that of a
        template differs for each recipient."""
        for dispatch in self:
            # sudo: the names of templates; nothing of what they say
            named = dispatch.sudo()
            template = named.template_id.name or named.sms_template_id.name
            dispatch.title = dispatch.subject or template

    @api.depends("res_model")
    def _compute_about_appointments(self):
        for dispatch in self:
            dispatch.about_appointments = dispatch.res_model in (
                "calendar.event",
                "calendar.attendee",
            )

    # -- progress ----------------------------------------------------------------

    @api.depends("line_ids.state")
    def _compute_counts(self):
        counts = self._count_lines()
        for dispatch in self:
            found = counts.get(dispatch.id, {})
            dispatch.waiting_count = found.get("waiting", 0)
            dispatch.sent_count = found.get("sent", 0)
            dispatch.failed_count = found.get("failed", 0)
            dispatch.line_count = total = sum(found.values())
            done = total - dispatch.waiting_count
            dispatch.progress = 100 * done / total if total else 0

    def _count_lines(self):
        """Recipients by state, of each: one query for a whole list."""
        counts = {}
        # sudo: numbers of sends the reader already sees
        groups = (
            self.env["secure.dispatch.line"]
            .sudo()
            ._read_group(
                [("dispatch_id", "in", self.ids), ("state", "!=", "cancelled")],
                ["dispatch_id", "state"],
                ["__count"],
            )
        )
        for dispatch, state, count in groups:
            counts.setdefault(dispatch.id, {})[state] = count
        return counts
