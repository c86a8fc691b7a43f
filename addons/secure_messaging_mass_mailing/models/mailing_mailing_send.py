"""How secure mailings are sent, and tried again."""

from odoo import models
from odoo.exceptions import UserError

from .mailing_trace import REFUSED


class MailingMailingSend(models.Model):
    _inherit = "mailing.mailing"

    # -- what Odoo's composers are told ------------------------------------------

    def _get_mass_mailing_context(self):
        """Links of the content stay in the content."""
        context = super()._get_mass_mailing_context()
        if self.secure_send:
            context.pop("post_convert_links", None)
        return context

    def _send_sms_get_composer_values(self, res_ids):
        values = super()._send_sms_get_composer_values(res_ids)
        values["secure_send"] = self.secure_send
        if self.secure_send:
            # By the queue, after the commit: who gets a link must find something there
            values["mass_force_send"] = False
        return values

    def _prepend_preview(self, html, preview):
        """The hidden line that mail programs show beside the subject has no use on the
        page, and would be visible there."""
        return html if self.secure_send else super()._prepend_preview(html, preview)

    def _secure_check_renders(self):
        """For tests: mistakes in the text show, the text itself goes nowhere."""
        record = self.env[self.mailing_model_real].search([], limit=1)
        if not record:
            return
        if self.mailing_type == "sms":
            model = self.mailing_model_real
            render = self.env["mail.render.mixin"]._render_template
            render(self.body_plaintext, model, record.ids)
            return
        for name in ("subject", "body_html"):
            self._render_field(name, record.ids, compute_lang=False)

    # -- what stops a whole mailing ----------------------------------------------

    def _secure_problem(self):
        company = self._secure_company()
        return company._secure_obstacle() or company._secure_consent_problem(
            self.ask_consent
        )

    def _secure_check(self):
        for mailing in self.filtered("secure_send"):
            problem = mailing._secure_problem()
            if problem:
                raise UserError(problem)

    def action_put_in_queue(self):
        self._secure_check()
        return super().action_put_in_queue()

    def action_send_mail(self, res_ids=None):
        self._secure_check()
        return super().action_send_mail(res_ids)

    def _action_send_mail(self, res_ids=None):
        """In the queue: what cannot be sent is put back, with a to-do; others go on."""
        stopped = self.browse()
        for mailing in self.filtered("secure_send"):
            problem = mailing._secure_problem()
            if problem:
                mailing._secure_put_back(problem)
                stopped += mailing
        rest = self - stopped
        return super(MailingMailingSend, rest)._action_send_mail(res_ids=res_ids)

    def _secure_put_back(self, problem):
        user = self._secure_user() or self._secure_company().secure_responsible_id
        self.state = "draft"
        self.activity_schedule(
            "mail.mail_activity_data_todo",
            summary=self.with_context(lang=user.lang).env._(
                "This mailing was not sent"
            ),
            note=problem,
            user_id=user.id or self.env.uid,
        )

    # -- trying again ------------------------------------------------------------

    def action_retry_failed(self):
        """What is in the conversation already only leaves again; who was refused is
        tried anew."""
        secure = self.filtered("secure_send")
        secure._secure_check()
        secure._secure_retry_mails()
        secure._secure_retry_sms()
        # sudo: as Odoo does with what failed
        self.env["mailing.trace"].sudo().search(
            [
                ("mass_mailing_id", "in", secure.ids),
                ("failure_type", "=", REFUSED),
            ]
        ).unlink()
        if secure:
            secure.action_put_in_queue()
        rest = self - secure
        return super(MailingMailingSend, rest).action_retry_failed() if rest else None

    def _secure_retry_mails(self):
        # sudo: as Odoo does with what failed
        mails = self.env["mail.mail"].sudo()
        failed = mails.search(
            [("mailing_id", "in", self.ids), ("state", "=", "exception")]
        )
        if failed:
            failed.mark_outgoing()
            failed.mailing_trace_ids.write(
                {"trace_status": "outgoing", "failure_type": False}
            )
            self.env["secure.notification"]._wake_queue("email")

    def _secure_retry_sms(self):
        # sudo: as Odoo does with what failed
        failed = (
            self.env["sms.sms"]
            .sudo()
            .search([("mailing_id", "in", self.ids), ("state", "=", "error")])
        )
        if failed:
            failed.action_set_outgoing()
            self.env["secure.notification"]._wake_queue("sms")
