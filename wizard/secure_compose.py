from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import html2plaintext
from odoo.tools.mail import plaintext2html
from odoo.tools.rendering_tools import convert_inline_template_to_qweb

from ..models.secure_link import EXPIRY_HOURS
from ..tools import content, pin_policy

UPLOADS_KEPT = timedelta(days=1)
"""How long the files of a form that was never sent are kept."""
KINDS = [
    ("contacts", "Contacts"),
    ("filter", "All contacts that match a filter"),
]
STEPS = [("write", "Write"), ("preview", "Preview"), ("confirm", "Confirm")]


class SecureCompose(models.TransientModel):
    """Write a secure message to contacts, now or for later.

    What its table holds is sealed as it arrives: the web client saves the form before
    it sends, and rows of a form live on in backups and dead tuples.
    """

    _name = "secure.compose"
    _inherit = ["secure.sealed", "secure.consent.composer"]
    _description = "New Secure Message"

    step = fields.Selection(STEPS, required=True, default="write")
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    kind = fields.Selection(KINDS, "Recipients", required=True, default="contacts")
    """Of no importance to what is about documents."""
    partner_ids = fields.Many2many(
        "res.partner", string="To", context={"active_test": False}
    )
    partner_filter = fields.Char("Filter", default="[]")
    res_model = fields.Char("Document Model")
    res_ids = fields.Char("Documents", help="Ids, as JSON.")
    render_model = fields.Char(compute="_compute_render_model")
    add_address = fields.Char("Add by Address or Number", store=False)
    channel = fields.Selection(
        [("email", "Email"), ("sms", "SMS")],
        "Notify By",
        required=True,
        default="email",
    )
    template_id = fields.Many2one(
        "mail.template", "Template", domain="[('model', '=', render_model)]"
    )
    sms_template_id = fields.Many2one(
        "sms.template", "SMS Template", domain="[('model', '=', render_model)]"
    )
    subject = fields.Char(
        store=False, compute="_compute_content", inverse="_inverse_subject"
    )
    body = fields.Html(
        store=False, compute="_compute_content", inverse="_inverse_body", sanitize=False
    )
    pin = fields.Char(
        "PIN for This Message",
        store=False,
        compute="_compute_pin",
        inverse="_inverse_pin",
        help="Sealed as the form is saved, and not shown again.",
    )
    expiry_hours = fields.Selection(
        EXPIRY_HOURS,
        "Link Expires After",
        required=True,
        default=lambda self: self.env.company.secure_expiry_hours,
    )
    renewable = fields.Boolean("Contact May Renew the Link", default=True)
    attachment_ids = fields.Many2many(
        "ir.attachment", string="Files", bypass_search_access=True
    )
    scheduled_at = fields.Datetime("Send At", help="Empty: now.")
    dispatch_id = fields.Many2one(
        "secure.dispatch", readonly=True, help="The planned send that this changes."
    )
    has_kept_pin = fields.Boolean(compute="_compute_has_kept_pin")
    has_pin = fields.Boolean(
        "PIN Set Here",
        readonly=True,
        copy=False,
        help="Stays, also when the PIN itself is gone.",
    )
    keep_pin = fields.Boolean("Keep the PIN That Was Set", default=True)
    is_final = fields.Boolean(readonly=True)

    # -- sealed fields -----------------------------------------------------------

    @api.depends("sealed_subject", "sealed_body")
    def _compute_content(self):
        for compose in self:
            compose.subject = compose._open("sealed_subject")
            compose.body = compose._open("sealed_body")

    def _compute_pin(self):
        """Nobody gets it back, not even its writer."""
        self.pin = False

    def _inverse_subject(self):
        for compose in self:
            compose._seal("sealed_subject", compose.subject)

    def _inverse_body(self):
        for compose in self:
            compose._seal("sealed_body", content.clean_dynamic_body(compose.body))

    def _inverse_pin(self):
        for compose in self.filtered("pin"):
            compose._seal("sealed_pin", compose.pin)
            compose.has_pin = compose.keep_pin = True
            compose.pin = False

    # -- the form ----------------------------------------------------------------

    @api.depends("res_model")
    def _compute_render_model(self):
        for compose in self:
            compose.render_model = compose.res_model or "res.partner"

    @api.depends("dispatch_id", "has_pin")
    def _compute_has_kept_pin(self):
        for compose in self:
            compose.has_kept_pin = compose.has_pin or compose.dispatch_id.has_pin

    @api.onchange("template_id")
    def _onchange_template_id(self):
        if self.template_id:
            self.subject = self.template_id.subject
            self.body = content.clean_dynamic_body(self.template_id.body_html)

    @api.onchange("sms_template_id")
    def _onchange_sms_template_id(self):
        if self.sms_template_id:
            self.body = self._sms_body()

    @api.depends("template_id", "sms_template_id")
    def _compute_ask_consent(self):
        return super()._compute_ask_consent()

    def _template_asks_consent(self):
        # sudo: how a template is sent, whoever may use it
        asks = self.sms_template_id.sudo().ask_consent
        return asks or super()._template_asks_consent()

    @api.depends("company_id")
    def _compute_consent_offered(self):
        return super()._compute_consent_offered()

    def _consent_company(self):
        return self.company_id

    @api.onchange("channel")
    def _onchange_channel(self):
        if self.channel == "sms":
            self.template_id = False
        else:
            self.sms_template_id = False

    def _sms_body(self):
        """The SMS template's text, its fields as the editor shows them."""
        text = plaintext2html(self.sms_template_id.body or "")
        return content.clean_dynamic_body(convert_inline_template_to_qweb(text))

    def _is_template_unchanged(self):
        """Whether the text is the template's own, which then speaks each contact's
        language."""
        if self.sms_template_id:
            return self._same_text(self.body, self._sms_body())
        template = self.template_id
        return (
            template
            and (self.subject or "") == (template.subject or "")
            and self._same_text(self.body, template.body_html)
        )

    @api.model
    def _same_text(self, typed, given):
        """Alike but for what an editor rewrites."""
        clean = (content.clean_template(text) for text in (typed, given))
        one, other = (" ".join(html2plaintext(text).split()) for text in clean)
        return one == other

    @api.model
    def generate_pin(self, partner_ids):
        """A random PIN for the form, which nobody has stored yet.

        :param list partner_ids: whose numbers it must not resemble
        """
        self.check_access("create")
        partners = self.env["res.partner"].browse(partner_ids)
        partners.check_access("read")
        known = self.env["secure.pin"]._known_numbers
        return pin_policy.generate(
            [number for one in partners for number in known(one)]
        )

    @api.model
    def canned_responses(self):
        """What the editor's menu offers: the user's own, and those of their groups."""
        return self.env["mail.canned.response"].search_read(
            [("source", "!=", False)], ["source", "substitution"], order="source"
        )

    # -- opening -----------------------------------------------------------------

    @api.model
    def action_about(self, res_model, res_ids):
        """The form, to write to the contacts of any documents: for buttons, and for
        server actions in a model's own menu, which run::

            action = env["secure.compose"].action_about(records._name, records.ids)
        """
        defaults = {"default_res_model": res_model, "default_res_ids": list(res_ids)}
        return self._form_action(context=defaults)

    @api.model
    def _form_action(self, **values):
        """The action that opens the form, with some of its values changed."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "secure_messaging.secure_compose_action"
        )
        return {**action, **values}

    @api.model
    def _for_dispatch(self, dispatch):
        """The form with what a planned send holds, for whoever may change it.

        :param dispatch: one ``secure.dispatch``, as superuser; the caller has checked
        """
        about = dispatch.res_model
        lines = dispatch.line_ids
        compose = self.create(
            {
                "dispatch_id": dispatch.id,
                "company_id": dispatch.company_id.id,
                "partner_ids": [] if about else lines.partner_id.ids,
                "res_model": about,
                "res_ids": str(sorted(set(lines.mapped("res_id")))) if about else False,
                "channel": dispatch.channel,
                "template_id": dispatch.template_id.id,
                "sms_template_id": dispatch.sms_template_id.id,
                "expiry_hours": dispatch.expiry_hours,
                "renewable": dispatch.renewable,
                "ask_consent": dispatch.ask_consent,
                "ask_consent_chosen": dispatch.ask_consent,
                "scheduled_at": dispatch.scheduled_at,
                "is_final": dispatch.is_final,
                "subject": dispatch._open_sealed("sealed_subject"),
                "body": dispatch._open_sealed("sealed_body"),
            }
        )
        if dispatch.recipient_filter:
            compose.write(
                {"kind": "filter", "partner_filter": dispatch.recipient_filter}
            )
        if not dispatch.sealed_body:
            compose._onchange_template_id()
            compose._onchange_sms_template_id()
        compose.attachment_ids = self.env["ir.attachment"].create(
            [
                {"name": name, "raw": data, "res_model": self._name}
                for name, data in dispatch.attachment_ids._secure_files()
            ]
        )
        return compose

    @api.autovacuum
    def _gc_uploads(self):
        """Remove the files of forms that were never sent."""
        limit = fields.Datetime.now() - UPLOADS_KEPT
        domain = [("res_model", "=", self._name), ("write_date", "<", limit)]
        self.env["ir.attachment"].search(domain).unlink()
