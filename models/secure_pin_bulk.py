import logging

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import format_datetime

from ..tools import clashes, pin_policy
from .secure_keyring import KeysUnavailable

_logger = logging.getLogger(__name__)

CHUNK = 20
"""PINs set in one transaction: a few seconds of hashing, and what is done again when a
worker is killed. So many are set while the person waits, too; more by the cron."""
DAYS_KEPT = 30
"""How long the result can be looked up. PINs that were set are not kept at all."""


class SecurePinBulk(models.Model):
    """PINs that one person has given to many contacts, and how far that has got."""

    _name = "secure.pin.bulk"
    _description = "PINs Set in Bulk"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"

    date = fields.Datetime(required=True, readonly=True, default=fields.Datetime.now)
    user_id = fields.Many2one("res.users", "Set By", required=True, readonly=True)
    responsible_id = fields.Many2one("res.users", readonly=True)
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True
    )
    origin = fields.Selection(
        [("generated", "Generated"), ("imported", "Imported")],
        required=True,
        readonly=True,
    )
    state = fields.Selection(
        [("running", "Running"), ("done", "Done"), ("failed", "Partly Failed")],
        required=True,
        readonly=True,
        default="running",
        index=True,
    )
    problem = fields.Char(
        readonly=True, help="What keeps all of them from being set now."
    )
    line_ids = fields.One2many(
        "secure.pin.bulk.line", "bulk_id", "Contacts", readonly=True
    )
    waiting_count = fields.Integer("Waiting", compute="_compute_counts")
    done_count = fields.Integer("Set", compute="_compute_counts")
    failed_count = fields.Integer("Failed", compute="_compute_counts")
    progress = fields.Float(compute="_compute_counts")

    @api.model_create_multi
    def create(self, vals_list):
        quiet = {
            "mail_create_nolog": True,
            "mail_create_nosubscribe": True,
            "tracking_disable": True,
        }
        return super(SecurePinBulk, self.with_context(**quiet)).create(vals_list)

    def copy(self, default=None):  # pylint: disable=method-required-super
        raise UserError(self.env._("A PIN cannot be copied."))

    @api.depends("user_id", "date")
    @api.depends_context("lang", "tz")
    def _compute_display_name(self):
        for bulk in self:
            bulk.display_name = self.env._(
                "PINs of %(when)s", when=format_datetime(self.env, bulk.date)
            )

    @api.depends("line_ids.state")
    def _compute_counts(self):
        counts = {}
        # sudo: numbers of what the reader already sees
        lines = self.env["secure.pin.bulk.line"].sudo()
        for bulk, state, count in lines._read_group(
            [("bulk_id", "in", self.ids)], ["bulk_id", "state"], ["__count"]
        ):
            counts.setdefault(bulk.id, {})[state] = count
        for bulk in self:
            found = counts.get(bulk.id, {})
            bulk.waiting_count = found.get("waiting", 0)
            bulk.done_count = found.get("done", 0)
            bulk.failed_count = found.get("failed", 0)
            total = sum(found.values())
            bulk.progress = 100 * (total - bulk.waiting_count) / total if total else 0

    @api.model
    def _check_may_set(self):
        """Managers only: a mistake here closes conversations that others answer for,
        those the person cannot see among them. One by one, every user may."""
        if not self.env.user.has_group("secure_messaging.group_manager"):
            raise AccessError(self.env._("You may not set the PINs of many contacts."))

    # -- setting -----------------------------------------------------------------

    @api.model
    def _set_pins(self, pins, origin):
        """Give contacts their PINs: a few at once, many by the cron. Who may call is
        for the caller to check, and that the PINs are fit to be used.

        :param dict pins: digits by ``res.partner``
        :return: ``secure.pin.bulk``, as the current user
        """
        company = self.env.company
        # sudo: made by setting PINs only, and by whoever may do that
        bulk = self.sudo().create(
            {
                "user_id": self.env.uid,
                # sudo: who is told, whoever sets them
                "responsible_id": company.sudo().secure_responsible_id.id,
                "company_id": company.id,
                "origin": origin,
            }
        )
        self.env["secure.pin.bulk.line"]._put(bulk, pins)
        if len(pins) <= CHUNK:
            bulk._run_chunk()
        else:
            self.env.ref("secure_messaging.ir_cron_pin_bulk")._trigger()
        return bulk.with_env(self.env)

    @api.model
    def _generate_pins(self, partners):
        """Give each of these contacts a random PIN.

        :return: (``secure.pin.bulk``, digits by ``res.partner``: to be shown this once)
        """
        known = self.env["secure.pin"]._known_numbers
        pins = {partner: pin_policy.generate(known(partner)) for partner in partners}
        return self._set_pins(pins, "generated"), pins

    def _shown_action(self):
        """What whoever set them sees next: the number, or how far it has got."""
        self.ensure_one()
        if self.state == "done":
            text = self.env._("PINs set: %(count)s", count=self.done_count)
            return {
                "type": "ir.actions.client",
                "tag": "display_notification",
                "params": {
                    "type": "success",
                    "message": text,
                    "next": {"type": "ir.actions.act_window_close"},
                },
            }
        return self._form_action()

    def _form_action(self):
        return {
            "type": "ir.actions.act_window",
            "name": self.display_name,
            "res_model": self._name,
            "res_id": self.id,
            "views": [(False, "form")],
        }

    @api.model
    def _cron_run(self):
        """Carry on with what waits. Can be killed, and run twice at once: a PIN and the
        note that it was set are one transaction, and its line is locked by it."""
        for bulk in self.search([("state", "=", "running")], order="id"):
            while done := clashes.again(self.env, bulk._run_chunk):
                if not self.env["ir.cron"]._commit_progress(
                    done, remaining=self._count_waiting()
                ):
                    return

    @api.model
    def _count_waiting(self):
        domain = [("state", "=", "waiting"), ("bulk_id.state", "=", "running")]
        return self.env["secure.pin.bulk.line"].search_count(domain)

    def _run_chunk(self):
        """Set the next PINs, in this transaction.

        :return: how many were dealt with
        """
        lines = self.env["secure.pin.bulk.line"]._take_waiting(self, CHUNK)
        try:
            self._set_lines(lines)
        except KeysUnavailable as locked:
            # Whatever is missing, is missing for all: they wait for it
            self.problem = str(locked)
            return 0
        # Not written without need: another worker would wait for this one's commit
        if self.problem:
            self.problem = False
        self._finish()
        return len(lines)

    def _set_lines(self, lines):
        """When that fails as a whole, one by one, so that what is wrong with one of
        them stops nobody else."""
        try:
            with self.env.cr.savepoint():
                partners = lines._set()
        except (*clashes.WHOLE_TRANSACTION, KeysUnavailable):
            raise
        except Exception as error:
            if len(lines) > 1:
                for line in lines:
                    self._set_lines(line)
                return
            # What went wrong may quote the PIN: neither kept nor logged
            _logger.error("A PIN was not set: %s", type(error).__name__)
            lines._fail(self.env._("Something went wrong. Please try again."))
            return
        pins = self.env["secure.pin"]
        pins._forgive_afterwards(partners, pins._threads_of(partners))

    def _finish(self):
        """Say how it ended, and tell it once: not in each of the conversations."""
        self.ensure_one()
        self.invalidate_recordset()
        if self.waiting_count or self.state != "running":
            return
        failed = self.failed_count
        self.state = "failed" if failed else "done"
        people = self.responsible_id - self.user_id
        for user in people | self.user_id if failed else people:
            spoken = self.with_context(lang=user.lang)
            text = spoken.env._(
                "%(user)s set the PINs of %(count)s contacts",
                user=self.user_id.name,
                count=self.done_count,
            )
            if failed:
                text = spoken.env._(
                    "%(text)s; %(count)s could not be set", text=text, count=failed
                )
            self.activity_schedule(
                "mail.mail_activity_data_todo", summary=text, user_id=user.id
            )

    @api.autovacuum
    def _gc_old(self):
        """Forget what ended long ago."""
        limit = fields.Datetime.subtract(fields.Datetime.now(), days=DAYS_KEPT)
        # sudo: upkeep
        old = self.sudo().search([("state", "!=", "running"), ("date", "<", limit)])
        old.unlink()
