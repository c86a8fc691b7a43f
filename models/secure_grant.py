import hashlib
import hmac
import re
from datetime import timedelta

from odoo import api, fields, models

from ..tools import content, limits
from ..tools import token as tokens
from ..tools.keyring import Purpose, new_uid
from .sealed_fields import SealedColumn
from .secure_draft import INBOUND

GRANT_IDLE = timedelta(minutes=30)
GRANT_ABSOLUTE = timedelta(hours=12)
GRANT_KEPT = timedelta(days=1)
"""How long a closed door's row is kept for who returns to a half-typed text."""
GRANT_TOUCH = timedelta(minutes=1)
"""Activity is noted at most this often, so that reading writes little."""


class SecureGrant(models.Model):
    """An opened door: one browser may see one conversation, for a while."""

    _name = "secure.grant"
    _description = "Secure Messaging Grant"
    _log_access = False
    # sudo: nobody has access to this table. The controllers come with a link that the
    # PIN has opened, or with a handle that is compared with its cookie in `_find`; what
    # else comes here ends doors

    handle = fields.Char(required=True, groups=fields.NO_ACCESS)
    cookie_hash = fields.Char(required=True, groups=fields.NO_ACCESS)
    thread_id = fields.Many2one(
        "secure.thread", required=True, ondelete="cascade", index=True
    )
    link_id = fields.Many2one(
        "secure.link", required=True, ondelete="cascade", index=True
    )
    pin_state = fields.Char(
        required=True, help="PIN rule and generation it was opened with."
    )
    contact_id = fields.Integer(
        required=True,
        help="Whose conversation it was when it was opened. A plain number: merging "
        "contacts changes what points to them.",
    )
    address = fields.Char(help="The contact's address on file when it was opened.")
    idle_until = fields.Datetime(required=True)
    expires_at = fields.Datetime(required=True, index=True)
    last_reply_key = fields.Char()
    secure_uid = fields.Char(
        required=True, groups=fields.NO_ACCESS, default=lambda self: new_uid()
    )
    draft_sealed = SealedColumn(sealed_place="draft")

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
                "contact_id": thread.partner_id.id,
                "address": thread._address_on_file(link.channel),
                "idle_until": now + GRANT_IDLE,
                "expires_at": min(now + GRANT_ABSOLUTE, link.expires_at),
            }
        )
        grant._take_over_draft()
        link._close_oldest_doors()
        return grant, secret

    @api.model
    def _find(self, handle, secret):
        """The grant a browser was given, whether it still holds or not.

        :param str handle: from the address
        :param str secret: from the cookie
        :return: ``secure.grant``, empty unless both belong together
        """
        if not re.fullmatch("[0-9A-Za-z]{22}", handle or ""):
            return self.browse()
        grant = self.sudo().search([("handle", "=", handle)], limit=1)
        given = _digest(secret or "")
        same = hmac.compare_digest(grant.cookie_hash or "", given)
        return grant if same else self.browse()

    def _holds(self):
        """Whether the door is still open. Everything that ends a grant early is looked
        at here and in :meth:`_fits`, at each request."""
        now = fields.Datetime.now()
        return bool(
            self
            and now < self.idle_until
            and now < self._hard_end()
            and not self.link_id._key_is_gone()
            and self._fits()
        )

    def _fits(self):
        """Whether nothing but time has closed the door: who was shut out by a new PIN
        or the like must not put words behind it any more."""
        thread, link = self.thread_id, self.link_id
        return bool(
            not link.revoked_at
            and thread.active
            and self.contact_id == thread.partner_id.id
            and thread.partner_id.active
            and self.pin_state == thread._pin_state()
            and self.address == thread._address_on_file(link.channel)
        )

    def _touch(self):
        """The reader did something: the idle time starts anew."""
        idle_until = fields.Datetime.now() + GRANT_IDLE
        if idle_until - self.idle_until >= GRANT_TOUCH:
            self.sudo().write({"idle_until": idle_until})

    def _seconds_left(self):
        """How long the door stays open if the reader does nothing."""
        end = min(self.idle_until, self._hard_end())
        return max(0, int((end - fields.Datetime.now()).total_seconds()))

    def _hard_end(self):
        """When the door closes whatever the reader does."""
        return min(self.expires_at, self.link_id.expires_at)

    def _time_left(self):
        """What the page must know of its end.

        :return: dict: ``idle_seconds``, and in ``final`` what ends it when staying
            gains nothing: ``grant`` or ``link``; else empty
        """
        final = ""
        if self._hard_end() <= self.idle_until:
            final = "link" if self.link_id.expires_at <= self.expires_at else "grant"
        return {"idle_seconds": self._seconds_left(), "final": final}

    def _end(self):
        """Close the door. The row stays for a while: with its cookie, the PIN alone
        opens again, and a text typed meanwhile is not lost."""
        self.sudo().write({"idle_until": fields.Datetime.now()})

    # -- what a page must not lose -----------------------------------------------

    def _claim_reply(self, key):
        """Whether this is the first time a form is sent: a double click sends twice.

        Of two requests at once, the second waits for the row, fails to serialize, is
        replayed by Odoo, and then finds the key.
        """
        if not key or self.last_reply_key == key:
            return False
        self.sudo().write({"last_reply_key": key})
        return True

    def _take_reply(self, text, files, remote_addr):
        """Put an answer into the conversation. As the system user: the public user
        would become its creator, and every visitor with it a reader.

        :param str text: plain, as typed
        :param list files: (name, bytes)
        """
        thread = self.thread_id
        [sent] = thread._send(
            [
                {
                    "thread": thread,
                    "direction": INBOUND,
                    "author": thread.partner_id,
                    "body": content.clean_client_text(text),
                    "attachments": files,
                }
            ]
        )
        self._keep_draft("")
        self._touch()
        self.env["secure.access.log"]._log(
            "replied", self.link_id, remote_addr, message_ids=sent.message.ids
        )
        thread._tell_responsible(sent.message)

    def _keep_draft(self, text):
        """Keep a text for the next page, instead of what was kept before."""
        place = (self._name, self.secure_uid, "draft")
        seal = self.env["secure.keyring"]._seal
        text = text[: limits.BODY_MAX_CHARACTERS]
        self.draft_sealed = seal(Purpose.CONTENT, place, text) if text else False

    def _take_over_draft(self):
        """What was half typed behind a door that has closed is found behind the next
        one to the same conversation: by this link or another, after a new PIN too.
        It came from a door that was open, or that only time had closed."""
        others = self.sudo().search(
            [
                ("thread_id", "=", self.thread_id.id),
                ("draft_sealed", "!=", False),
                ("id", "!=", self.id),
            ],
            order="id desc",
        )
        left = next((door for door in others if not door._holds()), None)
        if left:
            self._keep_draft(left._draft())
            left._keep_draft("")

    def _draft(self):
        if not self.draft_sealed:
            return ""
        place = (self._name, self.secure_uid, "draft")
        return self.env["secure.keyring"]._open(
            Purpose.CONTENT, place, self.draft_sealed
        )

    def _form_token(self):
        """What the page's forms must send back."""
        message = f"form{self.handle}{self.cookie_hash}".encode()
        ring = self.env["secure.keyring"]._ring()
        return ring.mac(Purpose.FORMS, message, ring.fingerprints[-1]).hex()[:32]

    @api.autovacuum
    def _gc_expired(self):
        limit = fields.Datetime.now() - GRANT_KEPT
        self.sudo().search([("expires_at", "<", limit)]).unlink()


def _digest(secret):
    return hashlib.sha256(secret.encode()).hexdigest()
