"""Which mailings are secure, and what keeps them so."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import float_round

from odoo.addons.secure_messaging.models.secure_road_pins import SUMMED_UP


class MailingMailing(models.Model):
    _name = "mailing.mailing"
    _inherit = ["mailing.mailing", "secure.consent.choice"]

    secure_send = fields.Boolean(
        "Send Securely",
        compute="_compute_secure_send",
        store=True,
        precompute=True,
        readonly=False,
        copy=True,
        help="Contacts get a notification with a link; text, subject and files are "
        "read behind it.",
    )

    ask_consent = fields.Boolean(
        compute="_compute_ask_consent", store=True, readonly=False, copy=True
    )

    secure_pin_summary = fields.Char(
        "Will Ask For", compute="_compute_secure_pin_summary"
    )

    @api.depends("sms_template_id")
    def _compute_ask_consent(self):
        """On with a template that asks."""
        for mailing in self:
            # sudo: how a template is sent, whoever may use it
            asks = mailing.sms_template_id.sudo().ask_consent
            mailing.ask_consent = asks or mailing._origin.ask_consent

    def _consent_company(self):
        return self._secure_company()

    @api.depends("sms_template_id")
    def _compute_secure_send(self):
        """The company's default to begin with; on with a template that is secure."""
        default = self.env["res.company"]._secure_new_default()
        for mailing in self:
            known = mailing._origin
            kept = known.secure_send if known else default
            # sudo: how a template is sent, whoever may use it
            mailing.secure_send = mailing.sms_template_id.sudo().send_securely or kept

    @api.depends(
        "secure_send", "mailing_model_id", "mailing_domain", "mailing_type", "user_id"
    )
    def _compute_secure_pin_summary(self):
        """As the other forms tell it. Whom targets stand for that are no contacts is
        found out as it is sent."""
        road = self.env["secure.road"]
        for mailing in self:
            mailing.secure_pin_summary = False
            if not mailing.secure_send or mailing.state in ("sending", "done"):
                continue
            company = mailing._secure_company()
            line = road._pin_line_of_any(company)
            if mailing.mailing_model_real == "res.partner":
                partners = self.env["res.partner"].search(
                    mailing._get_recipients_domain(), limit=SUMMED_UP + 1
                )
                channel = "sms" if mailing.mailing_type == "sms" else "email"
                facts = {"company": company, "channel": channel}
                line = road._pin_line([{"partner": one, **facts} for one in partners])
            mailing.secure_pin_summary = line["text"]

    def write(self, vals):
        if "secure_send" in vals:
            self._check_secure_not_begun(vals["secure_send"])
        return super().write(vals)

    def _check_secure_not_begun(self, wanted):
        """What some have as a secure message is not standard for others, nor is its web
        version opened afterwards."""
        changed = self.filtered(lambda mailing: mailing.secure_send != wanted)
        # sudo: whether anything was sent
        begun = (
            self.env["mailing.trace"]
            .sudo()
            .search(
                [
                    ("mass_mailing_id", "in", changed.ids),
                    ("is_test_trace", "=", False),
                ],
                limit=1,
            )
        )
        if begun:
            raise UserError(
                self.env._(
                    "“%(mailing)s” has begun to be sent: “Send Securely” cannot be "
                    "changed any more. Please duplicate the mailing instead.",
                    mailing=begun.mass_mailing_id.display_name,
                )
            )

    def _secure_user(self):
        """Whose mailing it is: who is named in notifications, and gets the answers."""
        # sudo: who answers for a mailing is no secret to whoever sends it
        user = self.sudo().user_id
        return user if user.active and not user.share else self.env["res.users"]

    def _secure_company(self):
        return (self._secure_user() or self.env.user).company_id

    def _secure_sender_values(self):
        """What each message takes from its mailing: the queue itself is nobody."""
        user = self._secure_user()
        if not user:
            return {}
        road = self.env["secure.road"]
        return {"company": user.company_id, **road._in_the_name_of(user)}

    # -- statistics --------------------------------------------------------------

    def _compute_clicks_ratio(self):
        """Links of secure mailings are not counted; that the message was read is."""
        result = super()._compute_clicks_ratio()
        for mailing in self.filtered("secure_send"):
            reached = mailing.expected - mailing.canceled
            reached -= mailing.bounced + mailing.failed
            ratio = 100.0 * mailing.clicked / reached if reached else 0
            mailing.clicks_ratio = float_round(ratio, precision_digits=2)
        return result

    def _action_send_statistics(self):
        """Not by email: the subject of a secure mailing stays inside."""
        secure = self.filtered("secure_send")
        secure.kpi_mail_required = False
        return super(MailingMailing, self - secure)._action_send_statistics()

    # -- leaving -----------------------------------------------------------------

    def _secure_put_away(self):
        """Before this module goes: nothing that was marked leaves by itself any more,
        and no web version opens. The design, from which the editor makes the text
        again, stays."""
        waiting = self.filtered(lambda mailing: mailing.state != "done")
        waiting.write({"state": "draft", "active": False})
        self.write({"body_html": False})
        for mailing in waiting:
            mailing._message_log(
                body=self.env._(
                    "Was to be sent securely, and was put away as the module for that "
                    "was removed. Sent now, it would be an ordinary mailing."
                )
            )
