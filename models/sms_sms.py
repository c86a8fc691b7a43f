from odoo import fields, models

from ..tools import notification as texts


class _LinkedSmsApi:
    """Odoo's SMS API, with each message's own link put in as it leaves.

    Odoo groups SMS by their text; the queued texts of many contacts are the same, and
    only become different here.
    """

    def __init__(self, api, urls):
        self._api = api
        self._urls = urls

    def __getattr__(self, name):
        return getattr(self._api, name)

    def _send_sms_batch(self, messages, **kwargs):
        linked = [
            {
                "content": message["content"].replace(
                    texts.LINK_MARK, self._urls.get(number["uuid"], "")
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
        secure = self.filtered(lambda sms: sms.sudo().secure_link_id)
        plain = self - secure
        if plain:
            super(SmsSms, plain)._send_with_api(sms_api, **kwargs)
        if secure:
            secure._send_links(sms_api, **kwargs)

    def _send_links(self, sms_api, **kwargs):
        links = self.sudo().secure_link_id
        links._prepare_leaving()
        urls = links._urls()
        by_uuid = {
            sms.uuid: urls[sms.secure_link_id.id]
            for sms in self.sudo()
            if sms.secure_link_id._serves(sms.number)
        }
        super()._send_with_api(_LinkedSmsApi(sms_api, by_uuid), **kwargs)
        sent = self.sudo().filtered(
            lambda sms: sms.state in ("process", "pending", "sent")
        )
        sent.secure_link_id._mark_left()
        failed = self.sudo().filtered(lambda sms: sms.state == "error")
        failed.secure_link_id._mark_failed()
