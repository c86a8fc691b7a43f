"""What the back office shows of the log, beside its own columns."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain


class SecureAccessLogScreen(models.Model):
    _inherit = "secure.access.log"

    partner_name = fields.Char(
        "Contact", compute="_compute_names", search="_search_partner_name"
    )
    user_name = fields.Char("By", compute="_compute_names", help="Empty: the contact.")

    @api.depends("partner_id", "user_id")
    def _compute_names(self):
        """Names of those that are still there and the reader may see."""
        partners = self._names("res.partner", self.mapped("partner_id"))
        users = self._names(
            "res.users", set(self.mapped("user_id")) - {api.SUPERUSER_ID}
        )
        for row in self:
            row.partner_name = partners.get(row.partner_id)
            row.user_name = users.get(row.user_id)

    explanation = fields.Char("What It Means", compute="_compute_explanation")

    @api.depends("kind", "channel", "detail")
    @api.depends_context("lang")
    def _compute_explanation(self):
        texts = self._explanations()
        for row in self:
            keys = (row.kind, row.detail or row.channel), (row.kind, False)
            row.explanation = next((texts[key] for key in keys if key in texts), False)

    @api.model
    def _explanations(self):
        """What an event proves, and what it does not, by kind and detail."""
        lost = self.env._(
            "The sealed end of this log was removed or changed in the database before "
            "this row was written: rows before it may be missing."
        )
        return {
            ("sent", False): self.env._("The notification with the link has left."),
            ("delivered", "accepted"): self.env._(
                "The mail server accepted the email. If it comes back later, a row "
                "“Not sent” follows."
            ),
            ("delivered", False): self.env._(
                "The SMS gateway reported that the SMS arrived."
            ),
            ("failed", "bounce"): self.env._("The email came back."),
            ("failed", False): self.env._("The notification could not leave."),
            ("opened", False): self.env._(
                "The form behind the link was sent for the first time. Looking at the "
                "link, as mail scanners do, does not count."
            ),
            ("locked", "address"): self.env._(
                "Too many wrong PINs from one network: locked there for 30 minutes."
            ),
            ("locked", "link"): self.env._("Too many wrong PINs for one link."),
            ("locked", "contact"): self.env._(
                "Too many wrong PINs for this contact: locked until staff unlock it."
            ),
            ("read", False): self.env._(
                "The message was on the page of somebody who had opened the link."
            ),
            ("renewal_refused", "moved"): self.env._(
                "The contact's address is not the one the link went to."
            ),
            ("renewal_refused", "refused"): self.env._(
                "No message may be sent to this contact now."
            ),
            ("revoked", "merged"): self.env._(
                "Its contact was merged with another. Of two conversations about the "
                "same, this one was archived, and its links lead nowhere any more."
            ),
            ("revoked", False): self.env._(
                "The link leads nowhere any more, and pages it had opened are closed."
            ),
            **self._explanations_of_codes(),
            **self._explanations_of_consent(),
            ("default_pin_set", False): self.env._(
                "The company's default PIN was set, or is another one now."
            ),
            ("default_pin_removed", False): self.env._(
                "The company has no default PIN any more."
            ),
            ("key_compromised", False): self.env._(
                "A key was in wrong hands: the links of this conversation were "
                "withdrawn, and no PIN of then opens anything any more."
            ),
            ("address_confirmed", False): self.env._(
                "Staff said that the changed address is the contact's. From then on "
                "links to these conversations, and codes, may go there."
            ),
            ("switched_on", False): self.env._(
                "Secure messaging was switched on for the company."
            ),
            ("switched_off", False): self.env._(
                "Secure messaging was switched off for the company."
            ),
            ("setting_changed", False): self.env._(
                "A setting that decides what is asked before somebody reads was "
                "changed; the details name it, from what to what."
            ),
            ("log_changed", False): self.env._(
                "A check found that the log is not as it was written."
            ),
            ("damaged", False): lost,
            ("forged", False): self.env._(
                "In this place a row waited to be written that was changed in the "
                "database, or put there by somebody else."
            ),
        }

    @api.model
    def _explanations_of_codes(self):
        missing = self.env._("The contact has no address or number to send a code to.")
        unconfirmed = self.env._(
            "The contact's address or number is new, and no staff has confirmed it yet."
        )
        return {
            ("code_sent", False): self.env._(
                "Somebody asked for a one-time code behind the link. It went to the "
                "contact's address or number."
            ),
            ("code_refused", "code_no_email"): missing,
            ("code_refused", "code_no_sms"): missing,
            ("code_refused", "code_new_email"): unconfirmed,
            ("code_refused", "code_new_sms"): unconfirmed,
        }

    @api.model
    def _explanations_of_consent(self):
        """By whoever had opened the link; the detail says to which text."""
        return {
            ("consent_given", False): self.env._(
                "On the page, the contact agreed to the text whose version is named."
            ),
            ("consent_declined", False): self.env._(
                "On the page, the contact did not agree to the text whose version is "
                "named."
            ),
            ("consent_withdrawn", False): self.env._(
                "On the page, the contact took back what had been agreed to."
            ),
        }

    @api.model
    def _search_partner_name(self, operator, value):
        """By contacts the reader may see, archived ones too."""
        if operator in Domain.NEGATIVE_OPERATORS:
            return NotImplemented
        partners = self.env["res.partner"].with_context(active_test=False)
        found = partners._search([("display_name", operator, value)])
        return [("partner_id", "in", found)]

    @api.depends("kind")
    @api.depends_context("lang")
    def _compute_display_name(self):
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        for row in self:
            row.display_name = kinds.get(row.kind)

    @api.model
    def _names(self, model, ids):
        records = self.env[model].browse(set(ids) - {0}).exists()
        return {
            record.id: record.display_name
            for record in records._filtered_access("read")
        }

    def action_verify(self):
        """Check all of the log, whichever rows are ticked."""
        return self.env["secure.log.check"].action_verify()

    def action_open_thread(self):
        """Go to the conversation a row is about."""
        self.ensure_one()
        thread = self.env["secure.thread"].browse(self.thread_id).exists()
        if not thread:
            raise UserError(self.env._("This conversation is no longer there."))
        return thread.get_formview_action()
