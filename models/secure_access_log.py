from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain

from ..tools import log_chain, network
from ..tools.clashes import CLASHES
from .secure_keyring import KeysUnavailable

KINDS = [
    ("sent", "Link sent"),
    ("delivered", "Delivered"),
    ("failed", "Not sent"),
    ("opened", "Link opened"),
    ("pin_accepted", "PIN entered"),
    ("pin_refused", "PIN refused"),
    ("locked", "Locked after wrong PINs"),
    ("unlocked", "Unlocked"),
    ("read", "Message read"),
    ("replied", "Reply"),
    ("file_taken", "File taken"),
    ("renewed", "Link renewed"),
    ("renewal_refused", "Renewal refused"),
    ("revoked", "Link withdrawn"),
    ("message_revoked", "Message withdrawn"),
    ("left", "Page closed by the reader"),
    ("pin_set", "PIN changed"),
    ("consent_given", "Consent given"),
    ("consent_declined", "Consent declined"),
    ("consent_withdrawn", "Consent withdrawn"),
    ("default_pin_set", "Default PIN changed"),
    ("default_pin_removed", "Default PIN removed"),
    ("switched_on", "Switched on"),
    ("switched_off", "Switched off"),
    ("setting_changed", "Setting changed"),
    ("log_exported", "Log exported"),
    ("log_changed", "Log found changed"),
    ("damaged", "End of the log lost"),
    ("forged", "Row that waited was changed"),
    ("key_compromised", "Key compromised: links and PINs withdrawn"),
    ("code_sent", "One-time code sent"),
    ("code_refused", "One-time code not sent"),
    ("address_confirmed", "Changed address confirmed"),
]

REFUSE = """
    CREATE OR REPLACE FUNCTION secure_access_log_refuse() RETURNS trigger AS $$
    BEGIN
        RAISE EXCEPTION 'The log of secure messaging cannot be changed (%)', TG_OP
              USING ERRCODE = 'insufficient_privilege';
    END
    $$ LANGUAGE plpgsql;
    DROP TRIGGER IF EXISTS secure_access_log_rows ON secure_access_log;
    CREATE TRIGGER secure_access_log_rows
        BEFORE UPDATE OR DELETE ON secure_access_log
        FOR EACH ROW EXECUTE FUNCTION secure_access_log_refuse();
    DROP TRIGGER IF EXISTS secure_access_log_all ON secure_access_log;
    CREATE TRIGGER secure_access_log_all
        BEFORE TRUNCATE ON secure_access_log
        FOR EACH STATEMENT EXECUTE FUNCTION secure_access_log_refuse();
"""
"""By row, where there are rows: deleting something the log refers to is no change."""


class SecureAccessLog(models.Model):
    """Append-only record of everything that happened to a conversation.

    It refers by plain numbers and copies what it shows: it outlives what it is about.
    """

    _name = "secure.access.log"
    _description = "Secure Messaging Log"
    _order = "date desc, id desc"
    _log_access = False
    _rec_name = "kind"

    number = fields.Integer(
        required=True, readonly=True, help="Counts the rows of each conversation."
    )
    date = fields.Datetime(required=True, readonly=True, index=True)
    kind = fields.Selection(KINDS, required=True, readonly=True, index=True)
    detail = fields.Char(readonly=True)
    company_id = fields.Many2one(
        "res.company", readonly=True, index=True, ondelete="restrict"
    )
    thread_id = fields.Integer("Conversation ID", readonly=True, index=True)
    thread_name = fields.Char("Conversation", readonly=True)
    partner_id = fields.Integer("Contact ID", readonly=True, index=True)
    message_id = fields.Integer("Message ID", readonly=True, index=True)
    link_id = fields.Integer("Link ID", readonly=True, index=True)
    user_id = fields.Integer("User ID", readonly=True)
    channel = fields.Selection([("email", "Email"), ("sms", "SMS")], readonly=True)
    address = fields.Char(readonly=True, help="Email address or number, masked.")
    network = fields.Char(readonly=True, help="Network of the visitor, masked.")

    fingerprint = fields.Char("Key", required=True, readonly=True)
    digest = fields.Char(required=True, readonly=True)
    mac = fields.Char("MAC", required=True, readonly=True)

    _thread_number = models.UniqueIndex(
        "(thread_id, number) WHERE thread_id IS NOT NULL"
    )
    _company_number = models.UniqueIndex("(company_id, number) WHERE thread_id IS NULL")

    def init(self):
        """PostgreSQL itself refuses to change what stands."""
        self.env.cr.execute(REFUSE)

    @api.model
    def _log(self, kind, records, remote_addr=None, message_ids=(), **details):
        """Write one row for each record. The only way rows come to be, beside
        :meth:`_log_surely`.

        Raises when another worker logs for the same conversation at the same time:
        Odoo then runs the request again.

        :param str kind: one of ``KINDS``
        :param records: ``secure.link``, or ``secure.thread`` when no link is involved,
            or ``res.company`` for what concerns no conversation
        :param str remote_addr: the visitor's network address, in clear
        :param message_ids: what messages the rows are about: one for each record, or
            all of a single record
        :param details: other columns, alike for all
        """
        model, rows = self._rows(kind, records, remote_addr, message_ids, details)
        try:
            return self._append(model, rows)
        except KeysUnavailable:
            # Withdrawing and the like must not wait for the key
            return self.env["secure.access.log.waiting"]._put(model, rows)

    @api.model
    def _log_surely(self, kind, records, remote_addr=None, message_ids=(), **details):
        """:meth:`_log` for what must not be done again, or is run again by nobody:
        mails that have left, tries that were counted, and jobs.

        Where another worker gets in between, the rows wait, and follow in a moment.
        """
        model, rows = self._rows(kind, records, remote_addr, message_ids, details)
        # Before the savepoint: what fails here is not the log's
        self.env.flush_all()
        try:
            with self.env.cr.savepoint():
                return self._append(model, rows)
        except (*CLASHES, KeysUnavailable):
            return self.env["secure.access.log.waiting"]._put(model, rows)

    @api.model
    def _rows(self, kind, records, remote_addr, message_ids, details):
        """(model whose chains they belong to, rows to be appended)"""
        if kind not in dict(KINDS):
            raise ValueError(kind)
        common = {
            **dict.fromkeys(log_chain.CONTENT, False),
            "date": fields.Datetime.now(),
            "kind": kind,
            "user_id": self.env.uid if self.env.user._is_internal() else False,
            "network": network.masked(remote_addr),
        }
        # sudo: what the log says does not depend on what its writer may read
        rows = [
            {**common, **self._row_values(record), **details}
            for record in records.sudo()
        ]
        if message_ids:
            rows *= len(message_ids) if len(rows) == 1 else 1
            rows = [
                {**row, "message_id": message_id}
                for row, message_id in zip(rows, message_ids, strict=True)
            ]
        of_company = records._name == "res.company"
        return "res.company" if of_company else "secure.thread", rows

    @api.model
    def _row_values(self, record):
        if record._name == "res.company":
            return {"company_id": record.id}
        values = {}
        thread = record
        if record._name == "secure.link":
            thread = record.thread_id
            values = {
                "link_id": record.id,
                "message_id": record.message_id,
                "channel": record.channel,
                "address": record._masked_address(),
            }
        return {
            **values,
            "company_id": thread.company_id.id,
            "thread_id": thread.id,
            "thread_name": thread.name,
            "partner_id": thread.partner_id.id,
        }

    @api.model
    def _search(self, domain, *args, bypass_access=False, **kwargs):
        """Readers see the rows of the conversations they may read."""
        if not (self.env.su or bypass_access or self._reads_all()):
            threads = self.env["secure.thread"].with_context(active_test=False)
            readable = threads._search([])
            domain = Domain(domain) & Domain("thread_id", "in", readable)
        return super()._search(domain, *args, bypass_access=bypass_access, **kwargs)

    def _check_access(self, operation):
        result = super()._check_access(operation)
        if result or self.env.su or not self._ids or self._reads_all():
            return result
        # sudo: the conversations' ids; who may read those is asked as the user
        threads = self.env["secure.thread"].browse(set(self.sudo().mapped("thread_id")))
        readable = set(threads.exists()._filtered_access("read").ids)
        forbidden = self.filtered(lambda row: row.sudo().thread_id not in readable)
        if not forbidden:
            return None
        return forbidden, lambda: AccessError(
            self.env._("This log is not yours to read.")
        )

    @api.model
    def _reads_all(self):
        return self.env.user.has_group("secure_messaging.group_manager")

    @api.model_create_multi
    def create(self, vals_list):  # pylint: disable=method-required-super
        raise AccessError(self.env._("The log is written by the system alone."))

    def write(self, vals):  # pylint: disable=method-required-super
        raise AccessError(self.env._("The log cannot be changed."))

    @api.ondelete(at_uninstall=True)
    def _unlink_never(self):
        raise AccessError(self.env._("The log cannot be deleted."))
