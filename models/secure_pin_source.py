"""What is asked where no PIN was set: a field of the contact, or a one-time code."""

import hmac
from collections import namedtuple

from odoo import api, models
from odoo.models import MAGIC_COLUMNS

from ..tools import pin_policy, pin_value
from ..tools.keyring import Purpose

Question = namedtuple(
    "Question", ("rule", "kind", "label", "channel"), defaults=("", "", "")
)
"""What the gate asks for: the rule; type and name of the field that serves as PIN; by
which channel codes are sent."""

KNOWN_FIELDS = ("name", "email", "phone", "zip", "city")
"""What people who know of a contact know: no value of a PIN."""
POOR_FIELDS = ("color", "function", "message_bounce", "signup_type", "website")
"""Odoo's own of which many know the value, or that have only a few."""


class SecurePinSource(models.Model):
    _inherit = "secure.pin"

    @api.model
    def _question(self, link):
        """What is asked at a link's gate. Depends on nothing that is the contact's
        alone: the gate is the same for all contacts of a company."""
        thread = link.thread_id
        rule = thread._effective_rule()
        if rule == "code":
            return Question(rule, channel=self.env["secure.code"]._channel(link))
        field = rule == "field" and self._value_field(thread.company_id)
        if not field:
            return Question(rule)
        return Question(rule, field.type, field._description_string(self.env))

    @api.model
    def _mark(self, thread, rule):
        """What open doors depend on besides the rule: they close when the contact's
        value changes, or the address that codes go to. Keyed: it tells neither."""
        if rule == "field":
            # sudo: value and addresses go into a MAC, and nowhere else
            thread = thread.sudo()
            field = self._value_field(thread.company_id)
            told = [field.name] if field else []
            told.append(self._value(thread.partner_id, thread.company_id))
        elif rule == "code":
            partner = thread.sudo().partner_id
            told = [partner._secure_address(way) or "" for way in ("email", "sms")]
        else:
            return ""
        return f":{self._keyed(thread, chr(0).join(told)).hex()[:32]}"

    @api.model
    def _keyed(self, thread, text):
        """A MAC of a text that is different in each conversation. The oldest key's, so
        that a new key does not close doors."""
        ring = self.env["secure.keyring"]._ring()
        # sudo: the conversation's random id, for the MAC
        message = f"value{thread.sudo().secure_uid}{text}".encode()
        return ring.mac(Purpose.PINS, message, ring.fingerprints[-1])

    # -- a field of the contact --------------------------------------------------

    @api.model
    def _value_field(self, company):
        """The field that serves as PIN now, as the registry knows it; None when it is
        gone or has become another kind of field: then nothing is sent or opened."""
        # sudo: a setting of the company; every contact who is asked learns of it
        name = company.sudo().secure_pin_field_id.name
        field = self.env["res.partner"]._fields.get(name)
        fits = field and field.store and field.type in pin_value.KINDS
        return field if fits and not field.translate else None

    @api.model
    def _value(self, partner, company):
        """A contact's value as it is compared; empty when there is none."""
        field = self._value_field(company)
        if not field:
            return ""
        # sudo: compared and never shown; who is asked has the link
        value = partner.sudo().with_company(company)[field.name]
        return pin_value.of_field(field.type, value)

    @api.model
    def _value_matches(self, thread, typed):
        """Whether the contact's value was typed; never when it cannot serve, whatever
        was typed. MACs are compared: how long it takes tells not even the length."""
        # sudo: for a visitor with a genuine link; told is only whether it matches
        thread = thread.sudo()
        field = self._value_field(thread.company_id)
        value = self._value(thread.partner_id, thread.company_id)
        given = pin_value.of_typed(field.type, typed) if field else ""
        same = hmac.compare_digest(
            self._keyed(thread, value), self._keyed(thread, given)
        )
        return same and not self._value_flaw(thread.partner_id, thread.company_id)

    @api.model
    def _value_flaw(self, partner, company):
        """Why a contact's value cannot serve as PIN; empty when it can.

        :return: ``field``, ``empty``, ``length`` or ``obvious``
        """
        field = self._value_field(company)
        if not field:
            return "field"
        # sudo: compared with the value, not shown
        known = [str(partner.sudo()[name] or "") for name in KNOWN_FIELDS]
        try:
            pin_value.check(self._value(partner, company), known)
        except pin_policy.PinRefused as refusal:
            return refusal.reason
        return ""

    @api.model
    def _fetch_values(self, partners, company):
        """Read for many what :meth:`_value_flaw` looks at."""
        field = self._value_field(company)
        if field:
            # sudo: as in _value
            partners = partners.sudo().with_company(company)
            partners.fetch([field.name, *KNOWN_FIELDS])

    # -- which fields can serve --------------------------------------------------

    @api.model
    def _field_domain(self):
        """The fields to choose from: those that :meth:`_field_problem` has nothing
        against."""
        # sudo: names of fields, no contact's value
        rows = self.env["ir.model.fields"].sudo()
        rows = rows.search(
            [("model", "=", "res.partner"), ("ttype", "in", pin_value.KINDS)]
        )
        known = self._known_names()
        fit = rows.filtered(lambda row: not self._field_problem(row, known))
        return [("id", "in", fit.ids)]

    @api.model
    def _field_problem(self, field_row, known=None):
        """Why a field cannot serve as PIN, as text; empty when it can.

        :param field_row: ``ir.model.fields``
        :param set known: of :meth:`_known_names`, where many are asked about
        """
        # sudo: name and label of a field, no contact's value
        field = self.env["res.partner"]._fields.get(field_row.sudo().name)
        label = field_row.sudo().field_description
        fits = (
            field and field_row.sudo().model == "res.partner" and field.store
        ) and field.type in pin_value.KINDS
        if not fits or field.translate:
            return self.env._(
                "%(field)s cannot serve as PIN. Possible are stored text, numbers and "
                "dates of contacts.",
                field=label,
            )
        if self._is_known(field, known or self._known_names(), set()):
            return self.env._(
                "%(field)s cannot serve as PIN: it is known to many, contacts can "
                "change it themselves, or it follows from such a field.",
                field=label,
            )
        return ""

    @api.model
    def _known_names(self):
        """Fields of contacts that are no secret, or that contacts can change
        themselves: on the portal, in their own user, in a form of the website."""
        partners, users = self.env["res.partner"], self.env["res.users"]
        own = {
            name
            for name in users.SELF_WRITEABLE_FIELDS
            if name in users._fields and users._fields[name].inherited
        }
        names = own | set(partners._get_frontend_writable_fields())
        names |= {*MAGIC_COLUMNS, *KNOWN_FIELDS, *POOR_FIELDS}
        names |= {"display_name", "email_normalized"}
        names |= set(partners._phone_get_number_fields())
        contacts = self.env["ir.model"]._get("res.partner")
        if "website_form_access" in contacts._fields:
            # Of the website, which need not be installed
            names |= set(contacts._get_form_writable_fields())
        return names

    @api.model
    def _is_known(self, field, names, seen):
        """Whether a field is one of these, of this module, or computed from one of
        them, as far as computations say what they look at."""
        if field in seen:
            return False
        seen.add(field)
        if field.model_name == "res.partner" and (
            field.name in names or self._module in field._modules
        ):
            return True
        return any(
            self._is_known(step, names, seen)
            for path in self.env.registry.field_depends[field]
            for step in self._steps(field.model_name, path)
        )

    @api.model
    def _steps(self, model_name, path):
        """The fields that a dotted name leads through."""
        for name in path.split("."):
            field = self.env[model_name]._fields.get(name)
            if not field:
                return
            yield field
            model_name = field.comodel_name or model_name
