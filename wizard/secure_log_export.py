import csv
import io
import json
import tempfile

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from ..models.secure_access_log_chain import COLUMNS
from ..tools import log_chain

PAGE = 2000
"""Rows in memory at once."""
SELECTION_LIMIT = 20_000
"""The web client names no more ticked rows than this (``active_ids_limit``): then all
that the list shows is meant."""
NAMES = ("company", "contact", "user")
"""Columns for people, behind those that are checked: names as they are now."""


class SecureLogExport(models.TransientModel):
    """The log as a CSV file: what the list shows, or of a period."""

    _name = "secure.log.export"
    _description = "Export the Log"

    domain = fields.Char(readonly=True, default=lambda self: self._default_domain())
    scope = fields.Selection(
        [
            ("shown", "All that the list shows, or what is ticked in it"),
            ("period", "Of that, only a period"),
        ],
        "What",
        required=True,
        default="shown",
    )
    date_from = fields.Datetime("From")
    date_to = fields.Datetime("To")
    row_count = fields.Integer("Rows", compute="_compute_row_count")

    @api.model
    def _default_domain(self):
        """What the list shows, or what is ticked in it."""
        ids = self.env.context.get("active_ids") or []
        if ids and len(ids) < SELECTION_LIMIT:
            return json.dumps([["id", "in", ids]])
        return json.dumps(self.env.context.get("active_domain") or [])

    @api.depends("domain", "scope", "date_from", "date_to")
    def _compute_row_count(self):
        log = self.env["secure.access.log"]
        for export in self:
            export.row_count = log.search_count(export._rows_domain())

    def _rows_domain(self):
        """Which rows; who asks reads no others than the list would show them."""
        try:
            domain = Domain(json.loads(self.domain or "[]"))
        except ValueError as error:
            raise UserError(self.env._("This filter cannot be exported.")) from error
        period = self.scope == "period"
        if period and self.date_from:
            domain &= Domain("date", ">=", self.date_from)
        if period and self.date_to:
            domain &= Domain("date", "<=", self.date_to)
        return domain

    def action_export(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_url",
            "url": f"/secure_messaging/log/{self.id}.csv",
            "target": "download",
        }

    def _write_file(self):
        """The file, on disk and not in memory; and a row in the log about it.

        :return: file object, binary, which deletes itself when it is closed
        """
        self.ensure_one()
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it has been sent
        stream = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        counts = self._write_rows(stream)
        stream.detach()
        for company in counts.keys() or self.env.company:
            self.env["secure.access.log"]._log(
                "log_exported", company, detail=str(counts.get(company, 0))
            )
        file.seek(0)
        return file

    def _write_rows(self, stream):
        """:return: dict of the number of rows by company"""
        writer = csv.writer(stream)
        writer.writerow([*COLUMNS, *NAMES])
        log, domain, last = self.env["secure.access.log"], self._rows_domain(), 0
        counts = {}
        while True:
            page = log.search(domain & Domain("id", ">", last), order="id", limit=PAGE)
            for row in page:
                writer.writerow(map(log_chain.csv_cell, self._cells(row)))
                counts[row.company_id] = counts.get(row.company_id, 0) + 1
            if len(page) < PAGE:
                return counts
            last = page[-1].id
            page.invalidate_recordset()

    def _cells(self, row):
        values = [row[column] for column in COLUMNS]
        values[COLUMNS.index("company_id")] = row.company_id.id
        return [*values, row.company_id.name, row.partner_name, row.user_name]
