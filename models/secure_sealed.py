from odoo import fields, models

from ..tools.keyring import Purpose, new_uid
from .sealed_fields import SealedColumn


class SecureSealed(models.AbstractModel):
    """For tables that hold what somebody writes until it is sent: sealed as it arrives.

    The web client saves a form before it sends it, and rows of a form live on in
    backups and dead tuples. ``subject``, ``body`` and the like are not stored; their
    inverses seal, their computations open.
    """

    _name = "secure.sealed"
    _description = "Sealed Fields"

    secure_uid = fields.Char(
        required=True,
        copy=False,
        groups=fields.NO_ACCESS,
        default=lambda self: new_uid(),
    )
    sealed_subject = SealedColumn()
    sealed_body = SealedColumn()
    sealed_pin = SealedColumn()

    def _may_open(self):
        """Whether the current user sees what is sealed here: who wrote it."""
        # sudo: who wrote it, no content
        return self.sudo().create_uid.id == self.env.uid

    def _seal(self, field, value):
        # sudo: nobody has access to the columns; whoever may write the form may seal
        place = (self._name, self.sudo().secure_uid, field)
        seal = self.env["secure.keyring"]._seal
        self.sudo()[field] = (
            seal(Purpose.CONTENT, place, str(value)) if value else False
        )

    def _open(self, field):
        """What was written, for who may see it; False for anybody else."""
        # sudo: only whether there is anything; who may see it is asked next
        if not self.sudo()[field] or not self._may_open():
            return False
        return self._open_sealed(field)

    def _open_sealed(self, field):
        """The clear text. Whoever calls has checked who will read it."""
        # sudo: nobody has access to the columns
        record = self.sudo()
        if not record[field]:
            return False
        place = (self._name, record.secure_uid, field)
        return self.env["secure.keyring"]._open(Purpose.CONTENT, place, record[field])
