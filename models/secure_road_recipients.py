"""Whom an address or a number means, and whom a document is for."""

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import email_normalize, formataddr
from odoo.tools.mail import email_split_tuples

CANDIDATES_NAMED = 5
"""How many contacts that fit one address an error names."""


class SecureRoadRecipients(models.AbstractModel):
    _inherit = "secure.road"

    @api.model
    def _split(self, partners):
        """Tell contacts from colleagues.

        :return: (``res.partner`` contacts, ``res.users`` colleagues)
        """
        # sudo: which contacts are colleagues is known to everybody inside
        users = partners.sudo().with_context(active_test=True).user_ids
        colleagues = users.filtered(lambda user: not user.share)
        return partners - colleagues.partner_id.with_env(partners.env), colleagues

    @api.model
    def _recipients_of(self, records):
        """The contacts each document is for.

        A model says so with ``_secure_recipients()``; else whom Odoo would write to.

        :return: dict of ``res.partner`` by id; colleagues are not among them
        """
        if hasattr(records, "_secure_recipients"):
            found = records._secure_recipients()
        elif records._name == "res.partner":
            found = {partner.id: partner for partner in records}
        elif hasattr(records, "_mail_get_partners"):
            found = records._mail_get_partners(introspect_fields=True)
        else:
            found = {}
        everybody = self.env["res.partner"].union(*found.values())
        contacts, _colleagues = self._split(everybody)
        known, nobody = set(contacts.ids), everybody.browse()
        return {
            record.id: found.get(record.id, nobody).filtered(
                lambda one: one.id in known
            )
            for record in records
        }

    @api.model
    def _own_recipients(self, records):
        """Whom documents go to that know it themselves; of several such documents, each
        only to its own.

        :return: dict of lists of partner ids by record id; empty for other documents
        """
        if not hasattr(records, "_secure_recipients"):
            return {}
        contacts = records._secure_recipients()
        colleagues = records._secure_colleagues()
        return {
            id_: (partners | colleagues[id_].partner_id).ids
            for id_, partners in contacts.items()
        }

    @api.model
    def _find_contacts(self, addresses, made=None):
        """The one contact behind each email address, made where there is none yet.

        :param addresses: texts, each of which may hold several addresses with names
        :param list made: where given, takes the contacts that were made
        :return: (dict of ``res.partner`` by normalized address, dict of the reason as
            text for the sender by address that cannot be sent to)
        """
        named = {}
        for text in addresses:
            for name, email in email_split_tuples(text or ""):
                normalized = email_normalize(email)
                named.setdefault(normalized or email, name)
        contacts, problems, strange = self._only_ones("email_normalized", named)
        for email in strange:
            if not email_normalize(email):
                problems[email] = self.env._("%s is no email address.", email)
        unknown = [email for email in strange if email not in problems]
        if unknown and not self.env["res.partner"].has_access("create"):
            for email in unknown:
                problems[email] = self.env._(
                    "No contact has the address %s, and you may not add contacts.",
                    email,
                )
            return contacts, problems
        new = self.env["res.partner"].create(
            [
                {
                    "name": named[email] or email,
                    "email": formataddr((named[email], email)),
                }
                for email in unknown
            ]
        )
        contacts.update(zip(unknown, new, strict=True))
        if made is not None:
            made.extend(new)
        return contacts, problems

    @api.model
    def _find_numbers(self, numbers):
        """The one contact behind each number in E.164; unknown ones are refused.

        :return: (dict of ``res.partner`` by number, dict of reasons by number)
        """
        contacts, problems, unknown = self._only_ones("phone_sanitized", numbers)
        for number in unknown:
            problems[number] = self.env._(
                "No contact has the number %s. Please add it to a contact first.",
                number,
            )
        return contacts, problems

    @api.model
    def _find_or_make_number(self, text, made):
        """Like :meth:`_find_numbers` for one number as somebody types it, of a contact
        who is made where there is none: for a form that shows them before sending.

        :param list made: takes the contact that was made
        """
        partners = self.env["res.partner"]
        # Of nobody: numbers without a country code are the company's country's
        number = partners.new({"country_id": self.env.company.country_id.id})
        number = number._phone_format(number=text or "", raise_exception=False)
        if not number:
            text = self.env._("“%s” is neither an address nor a number.", text or "")
            return {}, {"": text}
        contacts, problems, unknown = self._only_ones("phone_sanitized", [number])
        if unknown and partners.has_access("create"):
            contacts[number] = partners.create({"name": number, "phone": number})
            made.append(contacts[number])
        elif unknown:
            problems[number] = self.env._(
                "No contact has the number %s, and you may not add contacts.",
                number,
            )
        return contacts, problems

    @api.model
    def _contacts_of_emails(self, addresses):
        """Like :meth:`_find_contacts`, for a person to correct what is wrong.

        :raise UserError: naming each address that cannot be sent to
        """
        contacts, problems = self._find_contacts(addresses)
        return self._only_found(contacts, problems)

    @api.model
    def _contacts_of_numbers(self, numbers):
        """Like :meth:`_find_numbers`, for a person to correct what is wrong."""
        contacts, problems = self._find_numbers([n for n in numbers or [] if n])
        return self._only_found(contacts, problems)

    @api.model
    def _only_found(self, contacts, problems):
        if problems:
            raise UserError("\n".join(problems.values()))
        return self.env["res.partner"].union(*contacts.values())

    @api.model
    def _number_problem(self, partner, number):
        """Why an SMS to this number cannot carry a link: it goes to the number of the
        contact only, which is the one that can be checked and renewed."""
        on_file = partner._secure_address("sms")
        if not on_file or not number or number == on_file:
            return ""
        given = partner._phone_format(number=number, raise_exception=False)
        if given == on_file:
            return ""
        return self.env._(
            "%(number)s is not the number of %(contact)s. A secure SMS goes to the "
            "number on the contact, %(on_file)s: please correct one of them.",
            number=number,
            contact=partner.display_name,
            on_file=on_file,
        )

    @api.model
    def _check_numbers(self, contacts, numbers):
        """:param dict numbers: the number an SMS would go to, by id of the contact"""
        problems = [
            self._number_problem(contact, numbers.get(contact.id))
            for contact in contacts
        ]
        if any(problems):
            raise UserError("\n".join(filter(None, problems)))

    @api.model
    def _only_ones(self, field, values):
        """The contact behind each address or number that just one has.

        :return: (dict of ``res.partner``, dict of reasons for those of several, list of
            those of nobody)
        """
        found = self._contacts_by(field, values)
        ones, problems, unknown = {}, {}, []
        for value in values:
            candidates = found.get(value)
            if not candidates:
                unknown.append(value)
            elif len(candidates) > 1:
                problems[value] = self._ambiguous_text(value, candidates)
            else:
                ones[value] = candidates
        return ones, problems, unknown

    @api.model
    def _contacts_by(self, field, values):
        partners = self.env["res.partner"].search([(field, "in", list(values))])
        return partners.grouped(field)

    @api.model
    def _ambiguous_text(self, address, candidates):
        names = candidates[:CANDIDATES_NAMED].mapped("display_name")
        if len(candidates) > CANDIDATES_NAMED:
            names.append("…")
        return self.env._(
            "Several contacts have the address %(address)s: %(names)s. Please choose "
            "one of them as the recipient.",
            address=address,
            names="; ".join(names),
        )
