from odoo import api, models


class SecureRoadCalendar(models.AbstractModel):
    _inherit = "secure.road"

    @api.model
    def _drafts(self, rows):
        """What is sent about an attendee is about the appointment."""
        return super()._drafts([self._about_appointment(row) for row in rows])

    @api.model
    def _about_appointment(self, row):
        record = row.get("record")
        if not record or record._name != "calendar.attendee":
            return row
        return {**row, "record": record.event_id, "res_id": record.event_id.id}
