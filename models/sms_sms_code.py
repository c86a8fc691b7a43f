from odoo import fields, models

from ..tools import notification as texts
from .secure_keyring import KeysUnavailable
from .sms_sms import LinkedSmsApi


# Odoo's own methods return nothing here
# pylint: disable=missing-return
class SmsSms(models.Model):
    _inherit = "sms.sms"

    secure_code_id = fields.Many2one(
        "secure.code",
        groups=fields.NO_ACCESS,
        ondelete="cascade",
        index="btree_not_null",
    )

    def _get_sms_company(self):
        """Whose SMS account pays: the conversation's company."""
        # sudo: which SMS are codes is decided here, whoever sends them
        code = self.sudo().secure_code_id
        return code.link_id.thread_id.company_id or super()._get_sms_company()

    def _send_with_api(self, sms_api, **kwargs):
        """One-time codes are put in here, in what leaves and nowhere else."""
        # sudo: only which hold a code; Odoo has checked who sends SMS
        coded = self.filtered(lambda sms: sms.sudo().secure_code_id)
        plain = self - coded
        if plain:
            super(SmsSms, plain)._send_with_api(sms_api, **kwargs)
        if coded:
            coded._send_codes(sms_api, **kwargs)

    def _send_codes(self, sms_api, **kwargs):
        # sudo: nobody has access to codes; the digits go into what leaves
        digits = {sms: sms.sudo()._leaving_code() for sms in self}
        good = self.filtered(digits.get)
        (self - good).sudo().action_set_canceled()
        if good:
            own_texts = {sms.uuid: digits[sms] for sms in good}
            api = LinkedSmsApi(sms_api, own_texts, texts.CODE_MARK)
            super(SmsSms, good)._send_with_api(api, **kwargs)

    def _leaving_code(self):
        try:
            return self.secure_code_id._leaving_digits("sms", [self.number])
        except KeysUnavailable:
            # Nothing may raise here: what has just been sent would be sent again
            return ""
