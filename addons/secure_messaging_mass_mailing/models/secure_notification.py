from odoo import api, models
from odoo.fields import Command

from odoo.addons.secure_messaging.tools import notification as texts

SAMPLE_LINK = "/sm/..."
"""Shown in tests, where there is no message and so no link."""


class SecureNotification(models.AbstractModel):
    _inherit = "secure.notification"

    @api.model
    def _sms_tracker(self, sms):
        """An SMS of a mailing has a tracker already, with its trace."""
        if sms.mailing_id and sms.sms_tracker_id:
            return Command.link(sms.sms_tracker_id.id)
        return super()._sms_tracker(sms)

    # -- samples -----------------------------------------------------------------

    @api.model
    def _mailing_sample(self, mailing):
        """The notification of a mailing's email, as whoever tests it would get it.

        :return: (subject, body)
        """
        draft = self._mailing_sample_draft(mailing)
        body = self._mail_body(draft).replace(
            texts.LINK_MARK, self._sample_url(mailing)
        )
        return self._text(draft, "secure_email_subject"), body

    @api.model
    def _mailing_sample_sms(self, mailing):
        text = self._text(self._mailing_sample_draft(mailing), "secure_sms_body")
        return text.replace(texts.LINK_MARK, self._sample_url(mailing))

    @api.model
    def _mailing_sample_draft(self, mailing):
        return {
            # sudo: texts of the company that would send it
            "company": mailing._secure_company().sudo(),
            "partner": self.env.user.partner_id,
            "sender": mailing._secure_user() or self.env.user,
        }

    @api.model
    def _sample_url(self, mailing):
        return mailing.get_base_url() + SAMPLE_LINK
