from odoo import api, fields, models

from ..tools.keyring import Purpose, new_uid
from .sealed_fields import SealedColumn


class SecurePinBulkLine(models.Model):
    """One contact whose PIN is to be set. The PIN is sealed for as long as it waits,
    and gone from the row when it has been set."""

    _name = "secure.pin.bulk.line"
    _description = "PIN Set in Bulk"
    _order = "id"
    _rec_name = "partner_id"

    bulk_id = fields.Many2one(
        "secure.pin.bulk", required=True, ondelete="cascade", index=True
    )
    partner_id = fields.Many2one(
        "res.partner", "Contact", required=True, ondelete="cascade", index=True
    )
    state = fields.Selection(
        [("waiting", "Waiting"), ("done", "Set"), ("failed", "Failed")],
        required=True,
        default="waiting",
    )
    reason = fields.Char()
    generation = fields.Integer(help="Of the contact's PIN when this one was chosen.")
    secure_uid = fields.Char(required=True, copy=False, groups=fields.NO_ACCESS)
    pin_sealed = SealedColumn(sealed_purpose=Purpose.PINS)

    _waiting_index = models.Index("(bulk_id) WHERE state = 'waiting'")

    @api.model
    def _put(self, bulk, pins):
        """Note PINs, sealed, in place of those that still wait for the same contacts.

        :param dict pins: digits by ``res.partner``
        """
        partners = self.env["res.partner"].union(*pins)
        self._drop_waiting(partners, self.env._("Another PIN was chosen meanwhile."))
        generations = self._generations(partners)
        values_list = []
        for partner, digits in pins.items():
            uid = new_uid()
            values_list.append(
                {
                    "bulk_id": bulk.id,
                    "partner_id": partner.id,
                    "generation": generations.get(partner.id, 0),
                    "secure_uid": uid,
                    "pin_sealed": self.env["secure.keyring"]._seal(
                        Purpose.PINS, self._place(uid), digits
                    ),
                }
            )
        # sudo: made by setting PINs only
        self.sudo().create(values_list)

    @api.model
    def _drop_waiting(self, partners, reason):
        """PINs that wait for these contacts are not set any more."""
        # sudo: for whoever chooses other PINs, or merges contacts; nothing is shown
        waiting = self.sudo().search(
            [("partner_id", "in", partners.ids), ("state", "=", "waiting")]
        )
        waiting._fail(reason)
        for bulk in waiting.bulk_id:
            bulk._finish()

    @api.model
    def _take_waiting(self, bulk, limit):
        """The next that nobody else is setting, locked until the transaction ends."""
        self.env.flush_all()
        self.env.cr.execute(
            """SELECT id FROM secure_pin_bulk_line
                WHERE bulk_id = %s AND state = 'waiting'
             ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED""",
            [bulk.id, limit],
        )
        # sudo: the bulk's own
        lines = self.sudo().browse(id_ for (id_,) in self.env.cr.fetchall())
        lines.invalidate_recordset()
        return lines

    def _set(self):
        """Set the PINs of lines, in the name of whoever chose them. One that was set or
        removed by hand since then stays as it is.

        :return: the contacts whose PIN was set
        """
        current = self._generations(self.partner_id)
        good = self.filtered(
            lambda line: line.generation == current.get(line.partner_id.id, 0)
        )
        (self - good)._fail(self.env._("It was changed by hand meanwhile."))
        if good:
            pins = {line.partner_id: line._opened() for line in good}
            # sudo stays out: who set a PIN is what the log says
            setter = self.env["secure.pin"].with_user(self.bulk_id.user_id)
            setter._set_many(pins, tell=False)
            good.write({"state": "done", "pin_sealed": False})
        return good.partner_id

    def _fail(self, reason):
        self.write({"state": "failed", "reason": reason, "pin_sealed": False})

    def _opened(self):
        keyring = self.env["secure.keyring"]
        return keyring._open(
            Purpose.PINS, self._place(self.secure_uid), self.pin_sealed
        )

    @api.model
    def _place(self, uid):
        return (self._name, uid, "pin_sealed")

    @api.model
    def _generations(self, partners):
        """Which of their PINs contacts have now, as a number, by id."""
        # sudo: the number, not the PIN
        pins = self.env["secure.pin"].sudo()
        pins = pins.search([("partner_id", "in", partners.ids)])
        return {pin.partner_id.id: pin.generation for pin in pins}
