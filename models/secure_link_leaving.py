"""Links while their notifications leave, and what is noted of it."""

from odoo import api, fields, models

from ..tools import clashes
from ..tools import token as tokens

SETTLE_BATCH = 1000


class SecureLinkLeaving(models.Model):
    _inherit = "secure.link"

    def _prepare_leaving(self):
        """Let the validity of links start now, as their notifications leave.

        Written before the notifications go, in one statement: if the worker dies
        after, they are sent again and the same tokens still work.
        """
        self.flush_model()
        self.env.cr.execute(
            """UPDATE secure_link
                  SET expires_at = %s + duration * INTERVAL '1 hour'
                WHERE id = ANY(%s) AND left_at IS NULL""",
            [fields.Datetime.now(), self.ids],
        )
        self.invalidate_recordset(["expires_at"])

    def _mark_left(self):
        """Note that notifications have left: log it, retire what they renew.

        An email that left was accepted by the mail server: that is all that is known of
        its delivery until it comes back. An SMS waits for the gateway's report.
        """
        # Before the savepoint: what fails here is not the log's
        self.env.flush_all()
        try:
            with self.env.cr.savepoint():
                self._note_left()
        except clashes.CLASHES:
            # What has left must not leave again: another transaction notes it
            # sudo: whoever sends has no right to jobs
            self.env.ref("secure_messaging.ir_cron_settle").sudo()._trigger()

    def _note_left(self):
        """:meth:`_mark_left`, for who can run the transaction again.

        :raise CLASHES: when another worker got in between
        """
        fresh = self.filtered(lambda link: not link.left_at)
        if not fresh:
            return
        fresh.write({"left_at": fields.Datetime.now()})
        fresh.filtered("renewal_of_id")._replace_others()
        log = self.env["secure.access.log"]
        log._log("sent", fresh)
        emails = fresh.filtered(lambda link: link.channel == "email")
        log._log("delivered", emails, detail="accepted")

    @api.model
    def _cron_settle(self):
        """Note what left although its worker died before it could say so.

        Can be run twice, killed, and run beside a sending worker: a link that is marked
        is not marked again, and one that another transaction marks just now is left.
        """
        clashes.again(self.env, self._settle_batch)

    @api.model
    def _settle_batch(self):
        unmarked = [
            ("secure_link_id.left_at", "=", False),
            ("secure_link_id.revoked_at", "=", False),
        ]
        # sudo: a job over Odoo's queues: which links have left, no content
        mails = self.env["mail.mail"].sudo()
        sms = self.env["sms.sms"].sudo()
        links = mails.search([*unmarked, ("state", "=", "sent")], limit=SETTLE_BATCH)
        links = links.secure_link_id
        left = [*unmarked, ("state", "in", ("process", "pending", "sent"))]
        links |= sms.search(left, limit=SETTLE_BATCH).secure_link_id
        links.try_lock_for_update()._note_left()

    def _take_back(self):
        """Notifications that wait, or could not leave, do not leave any more: these
        links lead nowhere."""
        waiting = [("secure_link_id", "in", self.ids)]
        # sudo: the queues are nobody's; whoever withdraws was checked
        sms = self.env["sms.sms"].sudo()
        sms = sms.search([*waiting, ("state", "in", ("outgoing", "error"))])
        sms.action_set_canceled()
        mails = self.env["mail.mail"].sudo()
        mails = mails.search([*waiting, ("state", "in", ("outgoing", "exception"))])
        mails.cancel()
        self.env["mail.notification"].sudo().search(
            [("mail_mail_id", "in", mails.ids)]
        ).write({"notification_status": "canceled"})

    def _mark_failed(self):
        self.env["secure.access.log"]._log_surely("failed", self)

    def _replace_others(self):
        """Retire what these follow in their conversations, in one statement."""
        if not self:
            return
        self.flush_model()
        self.env.cr.execute(
            """UPDATE secure_link AS link
                  SET replaced_by_id = next.id
                 FROM (SELECT old.id AS old_id, MIN(new.id) AS id
                         FROM secure_link AS new
                         JOIN secure_link AS old
                           ON old.thread_id = new.thread_id
                          AND old.id < new.id
                          AND old.replaced_by_id IS NULL
                        WHERE new.id = ANY(%s)
                        GROUP BY old.id) AS next
                WHERE link.id = next.old_id""",
            [self.ids],
        )
        self.env["secure.link"].invalidate_model(["replaced_by_id"])

    def _urls(self):
        """The clear address of each link, derived now.

        :return: dict of str by link id. Only for what is about to leave
        """
        # sudo: nobody has access to what tokens come of; Odoo's queues let these leave
        self.sudo()._take_first_key()
        ring = self.env["secure.keyring"]._ring()
        urls = {}
        for link in self.sudo():
            token = tokens.derive(ring, *link._token_parts())
            urls[link.id] = f"{link.thread_id.get_base_url()}/sm/{token}"
        return urls

    def _token_parts(self):
        return self.public_id, self.nonce, self.thread_id.secure_uid, self.fingerprint
