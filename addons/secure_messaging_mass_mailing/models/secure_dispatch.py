from odoo import api, fields, models


class SecureDispatch(models.Model):
    _inherit = "secure.dispatch"

    mailing_id = fields.Many2one(
        "mailing.mailing", readonly=True, ondelete="set null", index="btree_not_null"
    )

    @api.model
    def _begin_mailing(self, mailing, subject, body, files):
        """The send of a mailing: one, however often Odoo goes on with it.

        It is tried again in the mailing, whose traces know who has it: in the Outbox
        somebody could get it twice.

        :return: ``secure.dispatch``, as superuser
        """
        # sudo: of the mailing that is just being sent
        known = self.sudo().search([("mailing_id", "=", mailing.id)], limit=1)
        if known:
            known.write({"state": "running", "ask_consent": mailing.ask_consent})
            return known
        user = mailing._secure_user()
        dispatch = self._begin(
            {
                "origin": "mailing",
                "mailing_id": mailing.id,
                "ask_consent": mailing.ask_consent,
                "channel": "sms" if mailing.mailing_type == "sms" else "email",
                "res_model": mailing.mailing_model_real,
                "company_id": mailing._secure_company().id,
                "can_retry": False,
            }
        )
        if user:
            dispatch.write({"user_id": user.id, "responsible_id": user.id})
        dispatch._put_content(subject=subject, body=body, pin=False, files=files)
        return dispatch

    def _forget_failures(self, res_ids):
        """Recipients that are tried again have one line each."""
        # sudo: lines are written by sending; nobody has write access
        lines = self.env["secure.dispatch.line"].sudo()
        lines.search(
            [
                ("dispatch_id", "in", self.ids),
                ("res_id", "in", list(res_ids)),
                ("state", "=", "failed"),
            ]
        ).unlink()
