from odoo import api, models


class SecureRoadCalendar(models.AbstractModel):
    _inherit = "secure.road"

    @api.model
    def _drafts(self, rows):
        """What is sent about an attendee is about the appointment; only who may see it
        writes about it."""
        rows = [self._about_appointment(row) for row in rows]
        self._appointments_of(rows)._secure_check_details()
        return super()._drafts(rows)

    @api.model
    def _log_lines(self, rows, sent):
        return super()._log_lines([self._about_appointment(row) for row in rows], sent)

    @api.model
    def _about_appointment(self, row):
        record = row.get("record")
        if not record or record._name != "calendar.attendee":
            return row
        return {**row, "record": record.event_id, "res_id": record.event_id.id}

    @api.model
    def _appointments_of(self, rows):
        """The appointments among what rows are about."""
        records = [self._about_appointment(row).get("record") for row in rows]
        return self.env["calendar.event"].union(
            *(event for event in records if event and event._name == "calendar.event")
        )
