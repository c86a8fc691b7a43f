from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..models.secure_draft import OUTBOUND
from ..models.secure_link import EXPIRY_HOURS
from ..tools import content, pin_policy

UPLOADS_KEPT = timedelta(days=1)
"""How long the files of a form that was never sent are kept."""


class SecureCompose(models.TransientModel):
    """Write a secure message to contacts.

    What its table holds is sealed as it arrives: the web client saves the form before
    it sends, and rows of a form live on in backups and dead tuples.
    """

    _name = "secure.compose"
    _inherit = ["secure.sealed"]
    _description = "New Secure Message"

    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    partner_ids = fields.Many2many(
        "res.partner", string="To", required=True, context={"active_test": False}
    )
    channel = fields.Selection(
        [("email", "Email"), ("sms", "SMS")],
        "Notify By",
        required=True,
        default="email",
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
        compute="_compute_content",
        inverse="_inverse_pin",
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
    problem = fields.Char(compute="_compute_problem")

    # -- sealed fields -----------------------------------------------------------

    @api.depends("sealed_subject", "sealed_body", "sealed_pin")
    def _compute_content(self):
        for compose in self:
            compose.subject = compose._open("sealed_subject")
            compose.body = compose._open("sealed_body")
            compose.pin = compose._open("sealed_pin")

    def _inverse_subject(self):
        for compose in self:
            compose._seal("sealed_subject", compose.subject)

    def _inverse_body(self):
        for compose in self:
            compose._seal("sealed_body", content.clean_staff_body(compose.body))

    def _inverse_pin(self):
        for compose in self:
            compose._seal("sealed_pin", compose.pin)

    # -- the form ----------------------------------------------------------------

    @api.depends("partner_ids", "channel", "company_id", "pin", "attachment_ids")
    def _compute_problem(self):
        """What will stop the send, told before anything is typed."""
        for compose in self:
            compose.problem = compose._find_problem()

    def _find_problem(self):
        if not self.company_id.secure_messaging_enabled:
            return self.env._(
                "Secure messaging is switched off for %(company)s. An administrator "
                "can switch it on in the settings.",
                company=self.company_id.display_name,
            )
        locked = self.env["secure.keyring"]._status()["problem"]
        if locked:
            return locked
        problems = [*self._recipient_problems(), self._files_problem()]
        return "\n".join(dict.fromkeys(filter(None, problems)))

    def _recipient_problems(self):
        model = self.env["secure.draft"]
        # sudo: what the writer will be told anyway when sending is refused
        drafts = [
            {
                "partner": partner.sudo(),
                "company": self.company_id.sudo(),
                "channel": self.channel,
                "pin": self.pin,
            }
            for partner in self.partner_ids._origin._filtered_access("read")
        ]
        model._note_pin_rules(drafts)
        return [model._recipient_problem(draft) for draft in drafts]

    def _files_problem(self):
        model = self.env["secure.draft"]
        draft = {
            "attachment_ids": self.attachment_ids._origin.ids,
            "attachments": [],
            "direction": OUTBOUND,
        }
        model._note_sizes([draft])
        return model._files_problem(draft)

    @api.model
    def generate_pin(self, partner_ids):
        """A random PIN for the form, which nobody has stored yet.

        :param list partner_ids: whose phone numbers it must not resemble
        """
        partners = self.env["res.partner"].browse(partner_ids)
        return pin_policy.generate(partners.mapped("phone"))

    def action_send(self):
        """Send to each contact alone, in a conversation of its own.

        :return: action that shows what was sent
        """
        self.ensure_one()
        self._check_sender()
        threads = self.env["secure.thread"]
        sent = threads._send(
            [self._values_for(partner) for partner in self.partner_ids]
        )
        self.sudo().unlink()
        for row in sent:
            threads |= row.thread
        return self._done_action(threads)

    def _check_sender(self):
        if not self.env.user.has_group("secure_messaging.group_user"):
            raise AccessError(self.env._("You may not send secure messages."))
        if self.create_uid != self.env.user:
            raise AccessError(self.env._("This form was opened by somebody else."))
        self.company_id.check_access("read")
        if self.company_id not in self.env.companies:
            raise AccessError(self.env._("You may not send for this company."))
        self.partner_ids.check_access("read")
        if not self.partner_ids:
            raise UserError(self.env._("Please choose at least one contact."))
        pending = self.env["ir.attachment"]._secure_pending(self.attachment_ids.ids)
        if pending != self.attachment_ids:
            raise UserError(
                self.env._("Some files are no longer there. Please attach them again.")
            )

    def _values_for(self, partner):
        return {
            "partner": partner,
            "company": self.company_id,
            "subject": self.subject,
            "body": self.body,
            "attachment_ids": self.attachment_ids.ids,
            "channel": self.channel,
            "pin": self.pin,
            "expiry_hours": int(self.expiry_hours),
            "renewable": self.renewable,
            "responsible": self.env.user,
        }

    def _done_action(self, threads):
        message = self.env._("Sent securely to %(count)s contacts.", count=len(threads))
        links = []
        if len(threads) == 1:
            message = self.env._("Sent securely to %s.")
            url = f"/odoo/action-secure_messaging.secure_thread_action/{threads.id}"
            links = [{"label": threads.partner_id.display_name, "url": url}]
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": message,
                "links": links,
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    @api.autovacuum
    def _gc_uploads(self):
        """Remove the files of forms that were never sent."""
        limit = fields.Datetime.now() - UPLOADS_KEPT
        domain = [("res_model", "=", self._name), ("write_date", "<", limit)]
        self.env["ir.attachment"].sudo().search(domain).unlink()
