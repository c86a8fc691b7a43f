"""Giving PINs: to one and to thousands by the same few queries."""

from functools import partial

from odoo import api, models

from ..tools import pin_policy

NEW_PIN = ("pin_set", "own_pin_set")
"""What gives a contact a fresh budget of wrong PINs."""


class SecurePinSet(models.Model):
    _inherit = "secure.pin"
    # sudo: nobody has access to this table. Who may set PINs is checked by the forms
    # that lead here: `secure.pin.wizard`, and for many `secure.pin.bulk`

    @api.model
    def _set_many(self, pins, tell=True):
        """Give companies, contacts or conversations their PINs. Hashing takes a while
        on purpose, some tenth of a second each.

        Who may call is for the caller to check.

        :param dict pins: digits as :meth:`_validated` returns them, by owner; all
            owners of one model
        :param bool tell: whether those who answer for the conversations hear of it
        :return: ``secure.pin``, as superuser
        """
        owners = next(iter(pins)).union(*pins)
        field = self._owner_field(owners[:1])
        found = {
            pin[field].id: pin
            for pin in self.sudo().search([(field, "in", owners.ids)])
        }
        made = []
        for owner, digits in pins.items():
            pin = found.get(owner.id, self.sudo())
            values = self._sealed_hash(pin.secure_uid, pin_policy.hash_pin(digits))
            if pin:
                generation = pin.generation + 1
                pin.write({**values, "generation": generation, "is_void": False})
            else:
                made.append({field: owner.id, **values})
        changed = self.sudo().create(made).union(*found.values())
        self._note_change(owners, "pin_set", tell)
        return changed

    @api.model
    def _note_change(self, owners, reason, tell=True):
        """What a new PIN, or none, means to the conversations it belongs to: they ask
        for it from now on, whoever removes it; locks end; the log has it; and who
        answers for them is told.

        :param owners: records of one model
        :param str reason: a key of ``secure.thread._reminder_texts``
        :param bool tell: False where the caller tells, and ends locks, of many at once
        """
        log = self.env["secure.access.log"]
        if owners._name == "res.company":
            # It concerns no single conversation
            removed = reason == "pin_removed"
            log._log("default_pin_removed" if removed else "default_pin_set", owners)
            return
        # sudo: who set a PIN may see only some of the conversations it is asked for in
        if owners._name == "res.partner":
            threads, partners = self._threads_of(owners), owners
            threads._tighten("contact")
        else:
            threads, partners = owners.sudo(), owners.partner_id
            threads._tighten("message")
            reason = "own_pin_set"
        log._log("pin_set", threads)
        if not tell:
            return
        if reason in NEW_PIN:
            self._forgive_afterwards(partners, threads)
        threads._tell_others(reason)

    @api.model
    def _threads_of(self, partners):
        """All conversations of contacts, also those the current user does not see."""
        # sudo: as above
        threads = self.env["secure.thread"].sudo().with_context(active_test=False)
        return threads.search([("partner_id", "in", partners.ids)])

    @api.model
    def _forgive_afterwards(self, partners, threads):
        """A fresh budget, once the new PIN is surely there: while the old one holds, it
        would only be more tries at that. A worker killed in between leaves a lock,
        which staff can end. Not in a savepoint: one that is rolled back leaves this
        standing."""
        attempts = self.env["secure.attempt"]
        self.env.cr.postcommit.add(
            partial(attempts._forgive, partners, threads.link_ids)
        )
