from odoo import fields, models

from ..tools import notification as texts
from .secure_keyring import KeysUnavailable


class LinkedSmsApi:
    """Odoo's SMS API, with each message's own link or code put in as it leaves.

    Odoo groups SMS by their text; the queued texts of many contacts are the same, and
    only become different here.
    """

    def __init__(self, api, own_texts, mark=texts.LINK_MARK):
        """
        :param dict own_texts: by uuid of the SMS
        :param str mark: what they are put in place of
        """
        self._api = api
        self._own_texts = own_texts
        self._mark = mark

    def __getattr__(self, name):
        return getattr(self._api, name)

    def _send_sms_batch(self, messages, **kwargs):
        linked = [
            {
                "content": message["content"].replace(
                    self._mark, self._own_texts.get(number["uuid"], "")
                ),
                "numbers": [number],
            }
            for message in messages
            for number in message["numbers"]
        ]
        return self._api._send_sms_batch(linked, **kwargs)


# Odoo's own methods return nothing here
# pylint: disable=missing-return
class SmsSms(models.Model):
    _inherit = "sms.sms"

    secure_link_id = fields.Many2one(
        "secure.link",
        groups=fields.NO_ACCESS,
        ondelete="set null",
        index="btree_not_null",
    )

    def _send(self, **kwargs):
        """Send for one company at a time: Odoo's queue hands over all at once, and
        would stop at the second company."""
        for company, records in self.grouped(
            lambda sms: sms._get_sms_company()
        ).items():
            super(SmsSms, records.with_company(company))._send(**kwargs)

    def _send_with_api(self, sms_api, **kwargs):
        # sudo: only which are notifications; Odoo has checked who sends SMS
        secure = self.filtered(lambda sms: sms.sudo().secure_link_id)
        plain = self - secure
        if plain:
            super(SmsSms, plain)._send_with_api(sms_api, **kwargs)
        if secure:
            secure._send_links(sms_api, **kwargs)

    def _send_links(self, sms_api, **kwargs):
        # sudo: of SMS that Odoo sends; address and link go into what leaves
        astray = self.sudo().filtered(lambda sms: not sms._reaches_contact())
        astray.action_set_error("sms_number_format")
        good = self.sudo() - astray
        try:
            urls = good.secure_link_id._urls()
        except KeysUnavailable:
            # Nothing may raise here: what has just been sent would be sent again
            good.action_set_error("sms_server")
            good, urls = good.browse(), {}
        if good:
            good.secure_link_id._prepare_leaving()
            by_uuid = {sms.uuid: urls[sms.secure_link_id.id] for sms in good}
            api = LinkedSmsApi(sms_api, by_uuid)
            super(SmsSms, good.sudo(self.env.su))._send_with_api(api, **kwargs)
        left = good.filtered(lambda sms: sms.state in ("process", "pending", "sent"))
        left.secure_link_id._mark_left()
        (self.sudo() - left).secure_link_id._mark_failed()

    def _reaches_contact(self):
        """Whether the number is the link's, and still the contact's."""
        link = self.secure_link_id
        on_file = link.thread_id._address_on_file("sms")
        return link._serves(self.number) and link._serves(on_file)
