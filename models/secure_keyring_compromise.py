"""When a key is in wrong hands: whoever has it and a copy of the database can make the
links and read the hashes of PINs. So nothing of both opens anything any more."""

import json
import logging
from functools import partial

from odoo import api, models
from odoo.tools import SQL

from ..tools import clashes

_logger = logging.getLogger(__name__)

COMPROMISED_PARAMETER = "secure_messaging.key_compromised_at"
"""What a closing under way has to know, when it was killed and is started again:

* ``since``: when it began. What is made later is sealed with the new key, and stays;
* ``log_id``: the last row of the log before it, by which its own rows are known;
* ``key``: the first key. With another one, another closing begins;
* ``told``: whether those who answer for it have their to-do.
"""
CLOSE_BATCH = 500
"""Conversations or PINs in one transaction."""


class SecureKeyringCompromise(models.AbstractModel):
    _inherit = "secure.keyring"

    @api.model
    def _close_all(self):
        """Withdraw all links, end all grants, void all PINs; tell who answers for it.

        In batches that are committed. What is done already is passed over.

        :return: whether all of it is done
        """
        closing = self._closing()
        if closing.get("key") != self._ring().primary:
            closing = self._begin_closing()
        return self._go_on_closing(closing)

    @api.model
    def _end_closing(self):
        """When all is sealed anew: once more for what was under way as it began.

        :return: whether nothing is left to be closed
        """
        closing = self._closing()
        if not closing:
            return True
        if not self._go_on_closing(closing):
            return False
        return bool(clashes.again(self.env, partial(self._note_closing, None)))

    @api.model
    def _closing(self):
        """The closing that is under way, as :data:`COMPROMISED_PARAMETER` has it; empty
        when there is none."""
        return json.loads(self._parameter(COMPROMISED_PARAMETER) or "{}")

    @api.model
    def _note_closing(self, closing):
        # sudo: only the command, which a system administrator runs, and the job that
        # goes on with it lead here
        parameters = self.env["ir.config_parameter"].sudo()
        text = json.dumps(closing) if closing else False
        parameters.set_param(COMPROMISED_PARAMETER, text)
        self.env["ir.cron"]._commit_progress()
        return True

    @api.model
    def _begin_closing(self):
        self.env.cr.execute(
            """SELECT clock_timestamp() AT TIME ZONE 'UTC',
                      (SELECT COALESCE(MAX(id), 0) FROM secure_access_log)"""
        )
        since, log_id = self.env.cr.fetchone()
        closing = {
            "since": since.isoformat(" "),
            "log_id": log_id,
            "key": self._ring().primary,
            "told": False,
        }
        _logger.warning("A key was compromised: all links and PINs are withdrawn")
        self._note_closing(closing)
        return closing

    @api.model
    def _go_on_closing(self, closing):
        """:return: whether all is done; not when others got in between too often, or
        the time of a job is over"""
        # PINs first: a planned send that comes due takes its PIN with it
        for step in (self._void_pins, self._close_threads):
            batch = partial(self._close_batch, step, closing)
            while done := clashes.again(self.env, batch):
                pass
            if done is None:
                return False
        return bool(clashes.again(self.env, self._tell_once))

    @api.model
    def _close_batch(self, step, closing):
        """:return: how many were closed and committed, or None when time is over"""
        # Without its key the log would not say what is closed already
        self._ring()
        count = step(closing)
        time_left = self.env["ir.cron"]._commit_progress(remaining=min(count, 1))
        return count if time_left else None

    @api.model
    def _close_threads(self, closing):
        """The next conversations: links, grants, and one row in the log of each."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """SELECT thread.id FROM secure_thread AS thread
                    WHERE thread.create_date <= %(since)s
                      AND (NOT EXISTS (
                              SELECT FROM secure_access_log AS log
                               WHERE log.thread_id = thread.id
                                 AND log.kind = 'key_compromised'
                                 AND log.id > %(log_id)s)
                           OR EXISTS (
                              SELECT FROM secure_link AS link
                               WHERE link.thread_id = thread.id
                                 AND link.revoked_at IS NULL
                                 AND link.create_date <= %(since)s))
                    ORDER BY thread.id LIMIT %(limit)s""",
                since=closing["since"],
                log_id=closing["log_id"],
                limit=CLOSE_BATCH,
            )
        )
        ids = [id_ for (id_,) in self.env.cr.fetchall()]
        # sudo: the whole installation is concerned; only a system administrator is here
        threads = self.env["secure.thread"].sudo().browse(ids)
        links = self.env["secure.link"].sudo()
        links.search(
            [
                ("thread_id", "in", ids),
                ("revoked_at", "=", False),
                ("create_date", "<=", closing["since"]),
            ]
        )._revoke()
        grants = self.env["secure.grant"].sudo()
        grants.search([("thread_id", "in", ids)])._end()
        self.env["secure.access.log"]._log("key_compromised", threads)
        return len(ids)

    @api.model
    def _void_pins(self, closing):
        """The next PINs, those of planned sends and of forms among them."""
        # These rows change for other reasons, too; without a PIN they send nothing
        made = [("create_date", "<=", closing["since"])]
        for model in ("secure.dispatch", "secure.compose"):
            # sudo: as above
            rows = self.env[model].sudo()
            rows.search([*made, ("sealed_pin", "!=", False)]).sealed_pin = False
        stored = [("write_date", "<=", closing["since"])]
        waiting = self.env["secure.pin.bulk.line"].sudo()
        waiting = waiting.search([*stored, ("state", "=", "waiting")])
        waiting._fail(self.env._("A key was compromised. Please set this PIN anew."))
        pins = self.env["secure.pin"].sudo()
        found = pins.search([*stored, ("is_void", "=", False)], limit=CLOSE_BATCH)
        found._void()
        return len(found)

    @api.model
    def _tell_once(self):
        closing = self._closing()
        # Where it has ended meanwhile, in a job beside the command, all are told
        if closing and not closing["told"]:
            self._tell_of_compromise()
            self._note_closing({**closing, "told": True})
        return True

    @api.model
    def _tell_of_compromise(self):
        """One to-do for each company and manager, not one for each conversation."""
        # sudo: managers are told, whoever ran the command
        managers = self.env.ref("secure_messaging.group_manager").sudo().all_user_ids
        # sudo: as above
        companies = self.env["res.company"].sudo()
        for company in companies.search([("secure_messaging_enabled", "=", True)]):
            own = managers.filtered(lambda user, one=company: one in user.company_ids)
            for user in own.filtered("active") | company.secure_responsible_id:
                texts = self.with_context(lang=user.lang)
                company.partner_id.activity_schedule(
                    "mail.mail_activity_data_todo",
                    summary=texts.env._("A key was compromised: please set new PINs"),
                    note=texts.env._(
                        "All links of secure messages of %(company)s were withdrawn, "
                        "and no PIN opens anything any more. Please set the default "
                        "PIN and the PINs of contacts anew. Then “Send New Link” in a "
                        "conversation lets its contact in again.",
                        company=company.display_name,
                    ),
                    user_id=user.id,
                )
