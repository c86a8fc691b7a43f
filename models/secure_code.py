"""One-time codes, sent by the channel that the link did not come by."""

import hmac
from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from ..tools import one_time_code, pin_policy
from ..tools.keyring import KeyMissing
from ..tools.pin_policy import CODE_LIFE, CODE_PAUSE

CODE_WINDOWS = {
    "code_hour": (pin_policy.CODES_PER_HOUR, timedelta(hours=1)),
    "code_day": (pin_policy.CODES_PER_DAY, timedelta(days=1)),
}
OTHER_CHANNEL = {"email": "sms", "sms": "email"}
KEPT = timedelta(days=1)


class SecureCode(models.Model):
    """The latest code of a link: what it is derived from, and what became of it.

    The digits are nowhere. Without the key outside the database they do not follow
    from this table.
    """

    _name = "secure.code"
    _description = "Secure Messaging One-Time Code"
    _log_access = False
    # sudo: nobody has access to this table. The page comes with a link whose token it
    # has checked, Odoo's queues with a code that leaves; the rest is Odoo's vacuum

    link_id = fields.Many2one("secure.link", required=True, ondelete="cascade")
    nonce = fields.Char(required=True, groups=fields.NO_ACCESS)
    fingerprint = fields.Char(required=True, groups=fields.NO_ACCESS)
    asked_at = fields.Datetime(
        required=True, index=True, help="The last time one was asked for, sent or not."
    )
    issued_at = fields.Datetime(help="Empty when none was ever sent.")
    used_at = fields.Datetime()

    _link_unique = models.UniqueIndex("(link_id)")

    # -- asking ------------------------------------------------------------------

    @api.model
    def _other(self, channel):
        """The channel codes go by, for links of a channel."""
        return OTHER_CHANNEL[channel]

    @api.model
    def _channel(self, link):
        return self._other(link.channel)

    @api.model
    def _ask(self, link, remote_addr):
        """A visitor with a genuine, live link asks for a code.

        Silent on purpose: the visitor reads the same, whatever happens here, but for
        locks, which a PIN would run into as well.

        :return: a lock, (kind, until), or False
        """
        attempts = self.env["secure.attempt"]
        lock = attempts._lock_reason(attempts._subject(link, remote_addr))
        if lock:
            return lock
        code = self._note_asked(link)
        if code._lives() and fields.Datetime.now() < code.issued_at + CODE_PAUSE:
            return False
        partner = link.thread_id.partner_id
        if not attempts._allow(CODE_WINDOWS, str(partner.id)):
            return False
        channel = self._channel(link)
        refused = self._refusal(partner, channel)
        details = {"channel": channel, "address": False}
        if refused:
            link.thread_id._remind_responsible(refused)
            details["detail"] = refused
        else:
            code._issue(link)
            details["address"] = code._queue(channel)
        kind = "code_refused" if refused else "code_sent"
        self.env["secure.access.log"]._log(kind, link, remote_addr, **details)
        return False

    @api.model
    def _note_asked(self, link):
        """The link's row, made where there is none yet: what the visitor reads later
        depends on when they asked, not on whether a code was sent."""
        ring = self.env["secure.keyring"]._sealing_ring()
        self.env.cr.execute(
            SQL(
                """INSERT INTO secure_code (link_id, nonce, fingerprint, asked_at)
                   VALUES (%s, %s, %s, %s)
              ON CONFLICT (link_id) DO UPDATE SET asked_at = EXCLUDED.asked_at
                RETURNING id""",
                link.id,
                one_time_code.new_nonce(),
                ring.primary,
                fields.Datetime.now(),
            )
        )
        code = self.sudo().browse(self.env.cr.fetchone()[0])
        code.invalidate_recordset()
        return code

    @api.model
    def _refusal(self, partner, channel):
        """Why a contact gets no code: a key of the responsible's reminders."""
        if not partner._secure_address(channel):
            return f"code_no_{channel}"
        changed = self.env["secure.address"]._unconfirmed(partner)
        return f"code_new_{channel}" if (partner.id, channel) in changed else ""

    def _issue(self, link):
        """Make the link's code a new one; the former is valid no more."""
        self.write(
            {
                "nonce": one_time_code.new_nonce(),
                "fingerprint": self.env["secure.keyring"]._sealing_ring().primary,
                "issued_at": fields.Datetime.now(),
                "used_at": False,
            }
        )

    # -- checking ----------------------------------------------------------------

    @api.model
    def _of(self, link):
        return self.sudo().search([("link_id", "=", link.id)], limit=1)

    @api.model
    def _is_over(self, link):
        """Whether the visitor should ask for a new code, as far as they can know."""
        code = self._of(link)
        now = fields.Datetime.now()
        return not code or bool(code.used_at) or now >= code.asked_at + CODE_LIFE

    @api.model
    def _compare(self, link, typed):
        """Check what was typed, and use the code up if it is right.

        :return: ``right``, ``wrong``, or ``stale`` for a code that was right once
        """
        code = self._of(link)
        # Derived for a code that was not sent, too: it takes no less time
        if not code or not (code._is(typed) and code.issued_at):
            self._count_try(code)
            return "wrong"
        if not code._lives() or not self._count_try(code):
            return "stale"
        code.used_at = fields.Datetime.now()
        return "right"

    def _is(self, typed):
        given = pin_policy.normalize(typed)
        try:
            expected = self._digits()
        except KeyMissing:
            # Its key was retired since
            return False
        return hmac.compare_digest(expected.encode(), given.encode())

    @api.model
    def _count_try(self, code):
        """Count a try of this very code.

        :return: whether there was one left
        """
        windows = {"code_try": (pin_policy.CODE_TRIES, CODE_LIFE)}
        key = f"{code.id}:{code.nonce}"
        return bool(code) and self.env["secure.attempt"]._allow(windows, key)

    def _lives(self):
        """Whether the code still opens, apart from the tries it has left."""
        now = fields.Datetime.now()
        return bool(
            self.issued_at and not self.used_at and now < self.issued_at + CODE_LIFE
        )

    def _digits(self):
        """The code itself. Only for what is about to leave, and to compare with."""
        ring = self.env["secure.keyring"]._ring()
        return one_time_code.derive(
            ring, self.nonce, self.link_id.nonce, self.fingerprint
        )

    @api.autovacuum
    def _gc_codes(self):
        limit = fields.Datetime.now() - KEPT
        self.sudo().search([("asked_at", "<", limit)]).unlink()
