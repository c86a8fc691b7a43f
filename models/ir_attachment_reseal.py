from odoo import models

from ..tools.keyring import Place, Purpose


class IrAttachment(models.Model):
    _inherit = "ir.attachment"

    def _reseal_data(self, ring):
        """Store a sealed file anew under the first key, when its name is under another:
        the two are always written together. Odoo's clean-up takes the old file away.

        A file that is lost stays so, and keeps nothing else from being sealed anew.
        """
        self.ensure_one()
        sealed = self.raw
        if not sealed:
            return
        place = Place("ir.attachment", self.secure_uid, "raw")
        data = ring.open(Purpose.FILES, place, sealed)
        # What Odoo's own write of a content does, without asking: nobody may write here
        self._set_attachment_data(lambda _file: ring.seal(Purpose.FILES, place, data))
        self.flush_recordset()
        self.invalidate_recordset()
