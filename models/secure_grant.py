import hashlib
import hmac
from datetime import timedelta

from odoo import api, fields, models

from ..tools import token as tokens

GRANT_IDLE = timedelta(minutes=30)
GRANT_ABSOLUTE = timedelta(hours=12)
GRANT_TOUCH = timedelta(minutes=1)
"""Activity is noted at most this often, so that reading writes little."""


class SecureGrant(models.Model):
    """An opened door: one browser may see one conversation, for a while."""

    _name = "secure.grant"
    _description = "Secure Messaging Grant"
    _log_access = False

    handle = fields.Char(required=True, groups=fields.NO_ACCESS)
    cookie_hash = fields.Char(required=True, groups=fields.NO_ACCESS)
    thread_id = fields.Many2one("secure.thread", required=True, ondelete="cascade", index=True)
    link_id = fields.Many2one("secure.link", required=True, ondelete="cascade", index=True)
    pin_state = fields.Char(required=True, help="PIN rule and generation it was opened with.")
    address = fields.Char(help="The contact's address on file when it was opened.")
    idle_until = fields.Datetime(required=True)
    expires_at = fields.Datetime(required=True, index=True)
    receipts_pending = fields.Boolean(default=True)

    _handle_unique = models.UniqueIndex("(handle)")

    @api.model
    def _open(self, link):
        """Open a door for who just proved to be allowed in.

        :return: (``secure.grant``, the cookie's value: shown once, kept as a hash)
        """
        thread = link.thread_id
        now = fields.Datetime.now()
        secret = tokens.new_secret()
        grant = self.sudo().create(
            {
                "handle": tokens.new_secret()[:22],
                "cookie_hash": _digest(secret),
                "thread_id": thread.id,
                "link_id": link.id,
                "pin_state": thread._pin_state(),
                "address": thread._address_on_file(link.channel),
                "idle_until": now + GRANT_IDLE,
                "expires_at": min(now + GRANT_ABSOLUTE, link.expires_at),
            }
        )
        return grant, secret

    @api.model
    def _find(self, handle, secret):
        """The grant of a request, empty unless it holds right now.

        Everything that ends a grant early is looked at here, at each request.
        """
        grant = self.sudo().search([("handle", "=", handle or "")], limit=1)
        given = _digest(secret or "")
        if not hmac.compare_digest(grant.cookie_hash or "", given):
            return self.browse()
        return grant if grant._holds() else self.browse()

    def _holds(self):
        now = fields.Datetime.now()
        thread, link = self.thread_id, self.link_id
        return (
            now < self.idle_until
            and now < self.expires_at
            and now < link.expires_at
            and not link.revoked_at
            and thread.active
            and thread.partner_id.active
            and self.pin_state == thread._pin_state()
            and self.address == thread._address_on_file(link.channel)
        )

    def _touch(self):
        """The reader did something: the idle time starts anew."""
        idle_until = fields.Datetime.now() + GRANT_IDLE
        if idle_until - self.idle_until >= GRANT_TOUCH:
            self.sudo().write({"idle_until": idle_until})

    def _end(self):
        self.sudo().unlink()

    @api.autovacuum
    def _gc_expired(self):
        self.sudo().search([("expires_at", "<", fields.Datetime.now())]).unlink()


def _digest(secret):
    return hashlib.sha256(secret.encode()).hexdigest()
