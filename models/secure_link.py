from datetime import timedelta

from odoo import api, fields, models
from odoo.tools.mail import email_normalize

from ..tools import token as tokens
from ..tools.keyring import Purpose

EXPIRY_HOURS = [
    ("24", "24 hours"),
    ("240", "10 days"),
    ("4380", "6 months"),
    ("8760", "1 year"),
]
"""What a sender can choose; selection keys are hours."""
DEFAULT_EXPIRY_HOURS = "24"
RENEWAL_GRACE = timedelta(days=90)
"""How long after its expiry a link can still ask for a new one."""
DOORS = 20
"""How many browsers may have a link open at once."""


class SecureLink(models.Model):
    """One issued way into one conversation. Holds nothing a token follows from.

    The token is derived with a key from outside the database, while the notification
    leaves, and at no other moment.
    """

    _name = "secure.link"
    _description = "Secure Link"
    _order = "id desc"
    _rec_name = "thread_id"

    thread_id = fields.Many2one(
        "secure.thread", required=True, ondelete="cascade", index=True
    )
    public_id = fields.Char(
        required=True,
        copy=False,
        groups=fields.NO_ACCESS,
        default=lambda self: tokens.new_public_id(),
    )
    nonce = fields.Char(
        required=True,
        copy=False,
        groups=fields.NO_ACCESS,
        default=lambda self: tokens.new_nonce(),
    )
    fingerprint = fields.Char(required=True, groups=fields.NO_ACCESS)
    message_id = fields.Integer(help="The mail.message this link was issued for.")
    channel = fields.Selection([("email", "Email"), ("sms", "SMS")], required=True)
    address = fields.Char(required=True, help="The only address this link is for.")
    duration = fields.Integer("Valid for (hours)", required=True)
    renewable = fields.Boolean(default=True)
    renewal_of_id = fields.Many2one(
        "secure.link", ondelete="set null", index="btree_not_null"
    )
    expires_at = fields.Datetime(required=True, index=True)
    left_at = fields.Datetime("Left")
    opened_at = fields.Datetime("First Opened")
    revoked_at = fields.Datetime("Withdrawn")
    replaced_by_id = fields.Many2one(
        "secure.link", ondelete="set null", index="btree_not_null"
    )
    state = fields.Selection(
        [
            ("live", "Live"),
            ("expired", "Expired"),
            ("replaced", "Replaced"),
            ("revoked", "Withdrawn"),
            ("locked", "Locked"),
        ],
        compute="_compute_state",
    )
    masked_address = fields.Char("Sent To", compute="_compute_masked_address")

    _public_id_unique = models.UniqueIndex("(public_id)")

    def _compute_state(self):
        dead = self.env["secure.attempt"]._dead(self)
        for link in self:
            link.state = link._state(dead)

    def _state(self, dead=None):
        """What happened to the link; the first that applies.

        :param dead: of these and others, those that wrong PINs have ended; asked for
            when it is not given

        A link dies for good after too many wrong PINs; that it is told as ``locked``
        like one that will open again is no secret to anyone.
        """
        self.ensure_one()
        # sudo: whether conversation and contact are active; told is the state alone
        thread = self.thread_id.sudo()
        if self.revoked_at or not thread.active or not thread.partner_id.active:
            return "revoked"
        if fields.Datetime.now() >= self.expires_at or self._key_is_gone():
            return "replaced" if self.replaced_by_id else "expired"
        if not self._serves(thread._address_on_file(self.channel)):
            return "revoked"
        if self.replaced_by_id:
            return "replaced"
        if dead is None:
            dead = self.env["secure.attempt"]._dead(self)
        if self in dead:
            return "locked"
        return "live"

    # -- making --------------------------------------------------------------

    @api.model
    def _issue(self, values_list):
        """Make links, and let none of their conversations' links outlive them.

        :param list values_list: dicts of thread_id, message_id, channel, address,
            duration (hours), renewable, renewal_of_id
        :return: ``secure.link`` records, in order
        """
        fingerprint = self.env["secure.keyring"]._sealing_ring().primary
        now = fields.Datetime.now()
        # sudo: nobody may make links; made by sending and renewing, checked there
        links = self.sudo().create(
            [
                {
                    **values,
                    "fingerprint": fingerprint,
                    "expires_at": now + timedelta(hours=values["duration"]),
                }
                for values in values_list
            ]
        )
        links._shorten_siblings()
        return links

    def _shorten_siblings(self):
        """A send with a shorter expiry shortens the others to it."""
        self.flush_model()
        self.env.cr.execute(
            """UPDATE secure_link AS other
                  SET expires_at = new.expires_at
                 FROM secure_link AS new
                WHERE new.id = ANY(%s)
                  AND other.thread_id = new.thread_id
                  AND other.id <> ALL(%s)
                  AND other.expires_at > new.expires_at""",
            [self.ids, self.ids],
        )
        self.env["secure.link"].invalidate_model(["expires_at"])

    # -- checking ------------------------------------------------------------

    @api.model
    def _find(self, token):
        """The link a token belongs to, whatever became of it.

        Forged, unknown and purged look alike and take alike: a MAC is computed for
        each of them.

        :return: ``secure.link``, empty when the token is not genuine
        """
        ring = self.env["secure.keyring"]._ring()
        well_formed = tokens.is_well_formed(token)
        token = token if well_formed else "0" * tokens.TOKEN_LENGTH
        public_id = token[: tokens.PUBLIC_ID_LENGTH]
        link = self._read_gate(public_id)
        parts = link._token_parts() if link else None
        genuine = tokens.verify(ring, token, parts, link and link._proof(ring))
        if not (genuine and well_formed):
            return link.browse()
        link._read_behind_gate()
        return link

    def _form_token(self):
        """What the gate's form must send back: proof that the gate was looked at."""
        message = f"form{self.public_id}{self.nonce}".encode()
        ring = self.env["secure.keyring"]._ring()
        return ring.mac(Purpose.FORMS, message, ring.fingerprints[-1]).hex()[:32]

    def _serves(self, address):
        """Whether an email address or number is the one the link is for."""
        self.ensure_one()
        if self.channel == "email":
            return email_normalize(address or "") == self.address
        return address == self.address

    @api.depends("address")
    def _compute_masked_address(self):
        for link in self:
            link.masked_address = link._masked_address()

    def _masked_address(self):
        # sudo: what is given out is masked
        return self._mask(self.sudo().address or "")

    @api.model
    def _mask(self, address):
        """Enough of an address to recognize it, too little to use it."""
        local, at, domain = address.partition("@")
        if not at:
            return f"{address[:3]}***{address[-2:]}"
        return f"{local[:1]}***@{domain}"

    def _note_opened(self, remote_addr):
        """The first POST at the gate: a person, not a scanner that follows links."""
        if self.opened_at:
            return
        self.opened_at = fields.Datetime.now()
        # Of two at once, the second is run again from here, with no PIN tried yet
        self.flush_recordset(["opened_at"])
        self.env["secure.access.log"]._log("opened", self, remote_addr=remote_addr)

    def _close_oldest_doors(self):
        """One link serves a person with a few devices, not a growing number of rows."""
        # sudo: nobody has access to grants; the link's own, whose PIN was right
        doors = self.env["secure.grant"].sudo()
        old = doors.search([("link_id", "=", self.id)], order="id desc", offset=DOORS)
        old.unlink()

    # -- ending --------------------------------------------------------------

    def _revoke(self):
        """Withdraw links; open pages close at their next request.

        :return: those that were not withdrawn before
        """
        live = self.filtered(lambda link: not link.revoked_at)
        # sudo: nobody may write links; the callers have checked who withdraws
        live.sudo().write({"revoked_at": fields.Datetime.now()})
        live._take_back()
        self.env["secure.access.log"]._log("revoked", live)
        return live
