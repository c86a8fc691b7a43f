"""Messages that were taken back, and how staff are shown them."""

from odoo import fields, models
from odoo.tools import SQL

from odoo.addons.mail.tools.discuss import Store

from .secure_draft import OUTBOUND


class MailMessageWithdraw(models.Model):
    _inherit = "mail.message"

    def _secure_withdraw(self):
        """Mark messages as withdrawn, in one statement, once.

        :return: those that were not before
        """
        self.flush_recordset()
        rows = self.env.execute_query(
            SQL(
                """UPDATE mail_message SET secure_withdrawn_date = %s
                    WHERE id = ANY(%s) AND secure_direction = %s
                      AND secure_withdrawn_date IS NULL
                RETURNING id""",
                fields.Datetime.now(),
                self.ids,
                OUTBOUND,
            )
        )
        self.invalidate_recordset(["secure_withdrawn_date"])
        return self.browse(sorted(id_ for (id_,) in rows))

    def _to_store(self, store, fields, **kwargs):
        """Tell who may read the conversation what can be, or was, withdrawn."""
        super()._to_store(store, fields, **kwargs)
        target = store.target
        if target.channel is not None or target.subchannel is not None:
            return
        if "body" not in fields:
            return
        # sudo: direction and date, of conversations the current user may read
        for message in self._secure_readable().sudo():
            if message.secure_direction == OUTBOUND:
                date = message.secure_withdrawn_date
                store.add_records_fields(
                    message,
                    [
                        Store.Attr("secure_to_contact", True),
                        Store.Attr("secure_withdrawn_date", date),
                    ],
                )
