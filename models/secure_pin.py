import logging

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..tools import pin_policy
from ..tools.keyring import Purpose, new_uid
from .sealed_fields import SealedColumn

_logger = logging.getLogger(__name__)

OWNERS = {"default": "company_id", "contact": "partner_id", "message": "thread_id"}
"""Whose PIN is asked for, by rule; the other rules know no PIN of this table."""


class SecurePin(models.Model):
    """The PINs, and the one place where one is set or checked.

    Apart from ``res.partner``: merging and copying contacts copies their fields.
    """

    _name = "secure.pin"
    _description = "Secure Messaging PIN"
    # sudo: nobody has access to this table. Who may set a PIN is checked by the forms
    # and by the roads to `_send`; told is whether there is one, or whether it is right

    company_id = fields.Many2one("res.company", "Default of", ondelete="cascade")
    partner_id = fields.Many2one("res.partner", "Contact", ondelete="cascade")
    thread_id = fields.Many2one("secure.thread", "Conversation", ondelete="cascade")
    secure_uid = fields.Char(
        required=True,
        copy=False,
        groups=fields.NO_ACCESS,
        default=lambda self: new_uid(),
    )
    hash_sealed = SealedColumn(sealed_purpose=Purpose.PINS, required=True)
    generation = fields.Integer(
        required=True,
        default=1,
        help="Grows with each new PIN; doors opened before it close.",
    )

    _one_owner = models.Constraint(
        "CHECK (num_nonnulls(company_id, partner_id, thread_id) = 1)",
        "A PIN belongs to one company, contact or conversation.",
    )
    _company_unique = models.UniqueIndex("(company_id) WHERE company_id IS NOT NULL")
    _partner_unique = models.UniqueIndex("(partner_id) WHERE partner_id IS NOT NULL")
    _thread_unique = models.UniqueIndex("(thread_id) WHERE thread_id IS NOT NULL")

    def copy(self, default=None):  # pylint: disable=method-required-super
        raise UserError(self.env._("A PIN cannot be copied."))

    # -- setting ---------------------------------------------------------------

    @api.model
    def _set(self, owner, pin):
        """Give a company, contact or conversation its PIN.

        Who may call is for the caller to check.

        :param owner: one ``res.company``, ``res.partner`` or ``secure.thread``
        :param str pin: as typed
        :raise UserError: when the PIN may not be used
        """
        return self._set_many({owner: self._validated(owner, pin)})

    @api.model
    def _set_all(self, pins):
        """Give many new conversations their PINs. A PIN that many of them share is
        hashed once, which takes a while on purpose, and sealed for each of them.

        :param dict pins: PIN as typed, by ``secure.thread``; checked before
        """
        hashes = {
            pin: pin_policy.hash_pin(pin_policy.normalize(pin))
            for pin in set(pins.values())
        }
        self.sudo().create(
            [
                {"thread_id": thread.id, **self._sealed_hash(False, hashes[pin])}
                for thread, pin in pins.items()
            ]
        )

    @api.model
    def _sealed_hash(self, uid, hashed):
        uid = uid or new_uid()
        place = (self._name, uid, "hash_sealed")
        sealed = self.env["secure.keyring"]._seal(Purpose.PINS, place, hashed)
        return {"secure_uid": uid, "hash_sealed": sealed}

    @api.model
    def _generate(self, owner):
        """Like :meth:`_set` with a random PIN.

        :return: the PIN, to be shown this once
        """
        pin = pin_policy.generate(self._known_numbers(owner))
        self._set(owner, pin)
        return pin

    @api.model
    def _clear(self, owner):
        self._of(owner).unlink()
        self._note_change(owner, "pin_removed")

    @api.model
    def _validated(self, owner, pin):
        digits = pin_policy.normalize(pin)
        try:
            pin_policy.check(digits, self._known_numbers(owner))
        except pin_policy.PinRefused as refusal:
            raise UserError(self._refusal_text(refusal.reason)) from refusal
        return digits

    @api.model
    def _refusal_text(self, reason):
        low, high = pin_policy.PIN_MIN_LENGTH, pin_policy.PIN_MAX_LENGTH
        return {
            "digits": self.env._("A PIN consists of digits only."),
            "length": self.env._(
                "A PIN has %(low)s to %(high)s digits.", low=low, high=high
            ),
            "obvious": self.env._(
                "This PIN is too easy to guess. Please avoid repeated or consecutive "
                "digits, lines on the keypad, years, and pieces of the phone number "
                "or postcode, or of what stands in the notification."
            ),
        }[reason]

    @api.model
    def _known_numbers(self, owner):
        """What whoever wants to guess a PIN has before them, or can look up."""
        # sudo: to compare with, whoever may see which of these fields
        partner = owner.sudo()
        partner = partner if owner._name == "res.partner" else partner.partner_id
        texts = []
        if owner._name == "res.company":
            for lang, _name in self.env["res.lang"].get_installed():
                texts += owner.sudo().with_context(lang=lang)._secure_texts()
        return [partner.name, partner.phone, partner.zip, *texts]

    @api.model
    def _is_default(self, company, digits):
        """Whether these are a company's default PIN. Takes as long as any check: for
        who sets the company up, not for visitors."""
        return self._matches(self._of(company), digits)

    @api.model
    def _owner_field(self, owner):
        owner.ensure_one()
        return {
            "res.company": "company_id",
            "res.partner": "partner_id",
            "secure.thread": "thread_id",
        }[owner._name]

    @api.model
    def _of(self, owner):
        """The PIN of an owner, as superuser; may be empty."""
        return self.sudo().search([(self._owner_field(owner), "=", owner.id)], limit=1)

    # -- checking --------------------------------------------------------------

    @api.model
    def _for(self, thread):
        """What is asked at a conversation's gate.

        :return: (rule, ``secure.pin``): the conversation's rule, or ``contact`` where
            that is stricter and the contact has a PIN by now; where that is none, the
            company's source if it asks for something by now. The PIN is empty when none
            is asked, when it is no row of this table, and when the one that is asked
            was removed: then nothing opens
        """
        thread = thread.sudo()
        pins = self.sudo().search(
            [
                "|",
                "|",
                ("thread_id", "=", thread.id),
                ("partner_id", "=", thread.partner_id.id),
                ("company_id", "=", thread.company_id.id),
            ]
        )
        rule = thread.pin_rule
        if rule not in ("contact", "message") and pins.partner_id:
            rule = "contact"
        if rule == "none":
            rule = thread.company_id._secure_least_rule()
        owner = OWNERS.get(rule)
        return rule, pins.filtered(owner) if owner else pins.browse()

    @api.model
    def _try(self, link, pin, remote_addr, tried=None):
        """Check a PIN typed for a link, within the limits.

        The try is counted and committed before the costly comparison, and given back
        when the PIN was right: a crash, an error or a parallel try gains nothing.

        :param link: one genuine, live ``secure.link``
        :param str pin: as typed
        :param str remote_addr: the visitor's network address
        :param dict tried: empty at first, and kept while Odoo runs a request again that
            has met another one: what was wrong is not counted twice
        :return: (outcome, lock): ``right``, ``wrong``, ``locked``, or ``stale`` for the
            right code that is valid no more; the lock is (kind, until) when there is
            one, made by this very try if it was wrong
        """
        attempts = self.env["secure.attempt"]
        subject = attempts._subject(link, remote_addr)
        tried = {} if tried is None else tried
        if not tried:
            found, made = attempts._lock_reason(subject), False
            if not found:
                found, made = attempts._charge(subject)
            if found:
                return "locked", found
            outcome = self._compare(link, pin)
            if outcome == "wrong":
                tried["made"] = made
            else:
                attempts._refund(subject, afresh=outcome == "right")
                self._note_try(link, outcome == "right", False, remote_addr)
                return outcome, None
        self._note_try(link, False, tried["made"], remote_addr)
        return "wrong", tried["made"] or None

    @api.model
    def _compare(self, link, pin):
        """``right``, ``wrong`` or ``stale``, by whatever is asked at a link."""
        thread = link.thread_id
        rule, expected = self._for(thread)
        if rule == "code":
            return self.env["secure.code"]._compare(link, pin)
        if rule == "field":
            right = self._value_matches(thread, pin)
        else:
            right = self._matches(expected, pin)
        return "right" if right else "wrong"

    @api.model
    def _matches(self, expected, pin):
        """Whether this is the PIN of a row, which may be empty."""
        if not expected or expected.is_void:
            return False
        place = (self._name, expected.secure_uid, "hash_sealed")
        keyring = self.env["secure.keyring"]
        hashed = keyring._open(Purpose.PINS, place, expected.hash_sealed)
        digits = pin_policy.normalize(pin)
        right = pin_policy.verify(digits, hashed)
        if right and pin_policy.needs_rehash(hashed):
            fresh = keyring._seal(Purpose.PINS, place, pin_policy.hash_pin(digits))
            # Not as if the PIN had been set now: one that is to be voided, is
            column = [self._fields["hash_sealed"]]
            row = {"id": expected.id, "hash_sealed": fresh}
            keyring._write_resealed(self, column, [row])
        return right

    @api.model
    def _note_try(self, link, right, made, remote_addr):
        """One row for each try, and one to-do for each lock, not for each try in it."""
        log, name = self.env["secure.access.log"], link.thread_id.name
        # Surely: run again, the request would count this try once more
        log._log_surely("pin_accepted" if right else "pin_refused", link, remote_addr)
        _logger.info("PIN check: %s for %s", "SUCCESS" if right else "FAIL", name)
        if right or not made:
            return
        log._log_surely("locked", link, remote_addr, detail=made[0])
        _logger.warning("PIN check: LOCKED for %s", name)
        kind, until = made
        ended = kind == "link" and not until
        link.thread_id._remind_responsible("ended" if ended else kind)

    @api.model_create_multi
    def create(self, vals_list):
        self._only_system()
        return super().create(vals_list)

    def write(self, vals):
        self._only_system()
        return super().write(vals)

    @api.model
    def _only_system(self):
        if not self.env.su:
            raise AccessError(self.env._("PINs are set with the buttons made for it."))
