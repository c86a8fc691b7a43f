"""When a key is in wrong hands: whoever has it and a copy of the database can make the
links and read the hashes of PINs. So nothing of both opens anything any more."""

import logging

from odoo import api, models
from odoo.tools import SQL

_logger = logging.getLogger(__name__)

COMPROMISED_PARAMETER = "secure_messaging.key_compromised_at"
"""Since when the closing runs: what is made later is sealed with the new key, and
stays, also when the closing was killed and is started again."""
CLOSE_BATCH = 500
"""Conversations or PINs in one transaction."""


class SecureKeyringCompromise(models.AbstractModel):
    _inherit = "secure.keyring"

    @api.model
    def _close_all(self):
        """Withdraw all links, end all grants, void all PINs; tell who answers for it.

        In batches that are committed. What is done already is passed over.
        """
        since = self._parameter(COMPROMISED_PARAMETER) or self._begin_closing()
        while self._close_threads(since):
            self._commit_batch()
        while self._void_pins(since):
            self._commit_batch()
        self._commit_batch()

    @api.model
    def _end_closing(self):
        """Once more for what was under way as it began, and tell."""
        if not self._parameter(COMPROMISED_PARAMETER):
            return
        self._close_all()
        self._tell_of_compromise()
        # sudo: only the command leads here, which a system administrator runs
        self.env["ir.config_parameter"].sudo().set_param(COMPROMISED_PARAMETER, False)
        self._commit_batch()

    @api.model
    def _begin_closing(self):
        self.env.cr.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
        since = self.env.cr.fetchone()[0].isoformat(" ")
        # sudo: as in `_end_closing`
        self.env["ir.config_parameter"].sudo().set_param(COMPROMISED_PARAMETER, since)
        _logger.warning("A key was compromised: all links and PINs are withdrawn")
        self._commit_batch()
        return since

    @api.model
    def _commit_batch(self):
        self.env["ir.cron"]._commit_progress()

    @api.model
    def _close_threads(self, since):
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
                                 AND log.date >= date_trunc('second',
                                                            %(since)s::timestamp))
                           OR EXISTS (
                              SELECT FROM secure_link AS link
                               WHERE link.thread_id = thread.id
                                 AND link.revoked_at IS NULL
                                 AND link.create_date <= %(since)s))
                    ORDER BY thread.id LIMIT %(limit)s""",
                since=since,
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
                ("create_date", "<=", since),
            ]
        )._revoke()
        grants = self.env["secure.grant"].sudo()
        grants.search([("thread_id", "in", ids)])._end()
        self.env["secure.access.log"]._log("key_compromised", threads)
        return len(ids)

    @api.model
    def _void_pins(self, since):
        """The next PINs, those of planned sends and of forms among them."""
        stored = [("write_date", "<=", since)]
        for model in ("secure.dispatch", "secure.compose"):
            # sudo: as above
            rows = self.env[model].sudo()
            rows.search([*stored, ("sealed_pin", "!=", False)]).sealed_pin = False
        waiting = self.env["secure.pin.bulk.line"].sudo()
        waiting = waiting.search([*stored, ("state", "=", "waiting")])
        waiting._fail(self.env._("A key was compromised. Please set this PIN anew."))
        pins = self.env["secure.pin"].sudo()
        found = pins.search([*stored, ("is_void", "=", False)], limit=CLOSE_BATCH)
        found._void()
        return len(found)

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
