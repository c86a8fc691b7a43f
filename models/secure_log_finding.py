from odoo import api, fields, models

KINDS = [
    ("changed", "Changed"),
    ("missing", "Missing"),
    ("cut", "Cut off at the end"),
    ("inserted", "Inserted"),
    ("order", "Does not follow the row before"),
    ("astray", "Belongs to no conversation"),
    ("unreadable", "Cannot be read"),
    ("damaged", "The sealed end of the log was lost before this row"),
    ("forged", "A row that waited was changed, or was not written here"),
    ("tip_behind", "Newer than the sealed end of the log"),
    ("tip_differs", "Something before it was changed"),
    ("tip_missing", "The sealed end of the log is missing"),
    ("tip_damaged", "The sealed end of the log was changed"),
    ("tip_key_missing", "The key of the sealed end of the log is missing"),
]


class SecureLogFinding(models.Model):
    """Something in the log that is not as it was written."""

    _name = "secure.log.finding"
    _description = "Finding in the Log"
    _order = "id"

    check_id = fields.Many2one(
        "secure.log.check", required=True, readonly=True, ondelete="cascade", index=True
    )
    kind = fields.Selection(KINDS, "What", required=True, readonly=True)
    thread_id = fields.Integer("Conversation ID", readonly=True)
    thread_name = fields.Char("Conversation", readonly=True)
    number = fields.Integer(
        readonly=True, help="Number of the row in its conversation."
    )
    last_number = fields.Integer(readonly=True)
    row_id = fields.Integer("Row ID", readonly=True)
    place = fields.Char("Where", compute="_compute_place")
    numbers = fields.Char("Row", compute="_compute_place")

    @api.depends("thread_id", "thread_name", "number", "last_number")
    def _compute_place(self):
        for finding in self:
            place = finding.thread_name
            if not finding.thread_id:
                place = self.env._("The company's own log")
            elif not place:
                place = self.env._(
                    "Conversation %(number)s, which is not there",
                    number=finding.thread_id,
                )
            finding.place = place
            first, last = finding.number, finding.last_number
            several = first != last
            finding.numbers = f"{first} – {last}" if several else str(first or "")
