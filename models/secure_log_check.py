import logging
import time
from datetime import timedelta

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import format_datetime

from .secure_keyring import KeysUnavailable

_logger = logging.getLogger(__name__)

CHECK_AT_ONCE = 20
"""Seconds somebody waits for a check; what is left then, the job carries on with."""
CHECK_EVERY = timedelta(hours=20)
"""A company's log is checked by itself when the last check is older: once a day."""
CHECKS_KEPT = timedelta(days=90)
"""How long checks without a finding are kept. Those with one stay."""
FINDINGS_KEPT = 1000
"""Of each check; more are only counted."""

UNREADABLE = (
    ArithmeticError,
    TypeError,
    ValueError,
    psycopg2.DataError,
    psycopg2.ProgrammingError,
)
"""What a row raises that holds what no row is written with: a time before our era, say,
which PostgreSQL knows and Python does not."""


class SecureLogCheck(models.Model):
    """One look at all of a company's log, by batches of conversations."""

    _name = "secure.log.check"
    _description = "Check of the Log"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _mail_post_access = "read"
    _order = "id desc"

    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, ondelete="cascade", index=True
    )
    user_id = fields.Many2one(
        "res.users", "Asked For By", readonly=True, help="Empty: the daily check."
    )
    state = fields.Selection(
        [
            ("running", "Under way"),
            ("good", "As it was written"),
            ("bad", "Changed"),
            ("stopped", "Not possible"),
        ],
        required=True,
        readonly=True,
        default="running",
    )
    ended_at = fields.Datetime("Ended", readonly=True)
    position = fields.Integer(readonly=True, help="Last conversation looked at.")
    thread_count = fields.Integer("Conversations", readonly=True)
    row_count = fields.Integer("Rows", readonly=True)
    by_digest_count = fields.Integer(
        "Rows of Removed Keys",
        readonly=True,
        help="The key of their MAC was removed. Their digests were checked, up to the "
        "sealed end of each conversation's log.",
    )
    waiting_count = fields.Integer(
        "Rows That Wait",
        readonly=True,
        help="Not part of the log yet: another worker wrote at the same time, or the "
        "key was missing.",
    )
    finding_count = fields.Integer("Findings", readonly=True)
    finding_ids = fields.One2many("secure.log.finding", "check_id", readonly=True)
    problem = fields.Char(readonly=True)

    @api.depends("create_date")
    @api.depends_context("lang", "tz")
    def _compute_display_name(self):
        for check in self:
            check.display_name = self.env._(
                "Check of %(date)s",
                date=format_datetime(self.env, check.create_date),
            )

    @api.model
    def _start(self, companies, user=None):
        """New checks of companies' logs, as superuser."""
        # sudo: who may ask for a check may not write its result
        checks = self.sudo().with_context(mail_create_nolog=True, tracking_disable=True)
        return checks.create(
            [
                {"company_id": company.id, "user_id": user.id if user else False}
                for company in companies
            ]
        )

    @api.model
    def action_verify(self):
        """Check the logs of the chosen companies and show what was found."""
        if not self.env.user.has_group("secure_messaging.group_manager"):
            raise AccessError(self.env._("Managers of secure messaging check the log."))
        checks = self._start(self.env.companies, self.env.user)
        end = time.monotonic() + CHECK_AT_ONCE
        for check in checks:
            while check.state == "running" and time.monotonic() < end:
                check._step()
        if "running" in checks.mapped("state"):
            # sudo: managers have no right to jobs
            self.env.ref("secure_messaging.ir_cron_log_check").sudo()._trigger()
        action = self.env["ir.actions.actions"]._for_xml_id(
            "secure_messaging.secure_log_check_action"
        )
        if len(checks) == 1:
            return {**action, "views": [(False, "form")], "res_id": checks.id}
        return {**action, "domain": [("id", "in", checks.ids)]}

    @api.model
    def _cron_verify(self):
        """Check each company's log once a day. Can be killed: it goes on where it
        was."""
        self._start(self._due_companies())
        running = self.search([("state", "=", "running")], order="id")
        for check in running:
            while check.state == "running":
                checked = check._step()
                time_left = self.env["ir.cron"]._commit_progress(
                    checked, remaining=check._left()
                )
                if not checked and check.state == "running":
                    # Somebody else is at it
                    break
                if not time_left:
                    return

    @api.model
    def _due_companies(self):
        """Companies with a log that nobody has looked at for a day."""
        recent = self.search(
            [
                ("create_date", ">", fields.Datetime.now() - CHECK_EVERY),
                "|",
                ("user_id", "=", False),
                ("state", "=", "running"),
            ]
        )
        unfinished = self.search([("state", "=", "running")])
        log = self.env["secure.access.log"]
        companies = self.env["res.company"].search(
            [("id", "not in", (recent | unfinished).company_id.ids)]
        )
        return companies.filtered(
            lambda company: (
                company.secure_messaging_enabled
                or company._secure_has_threads()
                or log.search_count([("company_id", "=", company.id)], limit=1)
            )
        )

    def _step(self):
        """Check a batch of conversations; after the last, what belongs to none.

        :return: how many were checked, at least 1 unless somebody else is at it
        """
        self.ensure_one()
        if not self.try_lock_for_update():
            return 0
        try:
            with self.env.cr.savepoint():
                return self._check_batch()
        except KeysUnavailable as locked:
            problem = str(locked)
        except UNREADABLE as error:
            # Not a row, which would be named, but the table is another one
            problem = self.env._("The log cannot be read: %(error)s", error=error)
        self.problem = problem
        self._end("stopped")
        return 1

    def _end(self, state):
        self.write({"state": state, "ended_at": fields.Datetime.now()})
        if state == "good":
            return
        _logger.error(
            "The log of secure messaging, company %s: %s findings%s",
            self.company_id.id,
            self.finding_count,
            "" if state == "bad" else ", the check could not end",
        )
        if state == "bad":
            self.env["secure.access.log"]._log_surely(
                "log_changed", self.company_id, detail=f"bad {self.finding_count}"
            )
        self._tell()

    def _tell(self):
        """A to-do for who answers for the company, one of a kind while it is open."""
        user = self.company_id.secure_responsible_id
        told = self.env["mail.activity"].search_count(
            [
                ("res_model", "=", self._name),
                ("user_id", "=", user.id),
                (
                    "res_id",
                    "in",
                    self._search(
                        [
                            ("company_id", "=", self.company_id.id),
                            ("state", "=", self.state),
                        ]
                    ),
                ),
            ],
            limit=1,
        )
        if not user or told:
            return
        # Without the email that Odoo sends of a new to-do
        own = self.with_context(lang=user.lang, mail_activity_quick_update=True)
        summary = own.env._("The log of secure messaging is not as it was written")
        if self.state == "stopped":
            summary = own.env._("The log of secure messaging could not be checked")
        own.activity_schedule(
            "mail.mail_activity_data_todo", summary=summary, user_id=user.id
        )

    @api.autovacuum
    def _gc_good(self):
        limit = fields.Datetime.now() - CHECKS_KEPT
        self.search([("state", "=", "good"), ("create_date", "<", limit)]).unlink()
