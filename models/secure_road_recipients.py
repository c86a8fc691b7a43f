"""Whom an address, a number or a rendered template means."""

import base64

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
        return {
            record.id: found.get(record.id, everybody.browse()) & contacts
            for record in records
        }

    @api.model
    def _find_contacts(self, addresses, company=None):
        """The one contact behind each email address, made where there is none yet.

        :param addresses: texts, each of which may hold several addresses with names
        :return: (dict of ``res.partner`` by normalized address, dict of the reason as
            text for the sender by address that cannot be sent to)
        """
        named = {}
        for text in addresses:
            for name, email in email_split_tuples(text or ""):
                normalized = email_normalize(email)
                named.setdefault(normalized or email, name)
        found = self._contacts_by("email_normalized", named)
        contacts, problems, unknown = {}, {}, []
        for email in named:
            candidates = found.get(email, self.env["res.partner"])
            if len(candidates) > 1:
                problems[email] = self._ambiguous_text(email, candidates)
            elif candidates:
                contacts[email] = candidates
            elif email_normalize(email):
                unknown.append(email)
            else:
                problems[email] = self.env._("%s is no email address.", email)
        if unknown and not self.env["res.partner"].has_access("create"):
            for email in unknown:
                problems[email] = self.env._(
                    "No contact has the address %s, and you may not add contacts.",
                    email,
                )
            return contacts, problems
        made = self.env["res.partner"].create(
            [self._contact_values(named[email], email, company) for email in unknown]
        )
        contacts.update(zip(unknown, made, strict=True))
        return contacts, problems

    @api.model
    def _find_numbers(self, numbers):
        """The one contact behind each number in E.164; unknown ones are refused.

        :return: (dict of ``res.partner`` by number, dict of reasons by number)
        """
        found = self._contacts_by("phone_sanitized", numbers)
        contacts, problems = {}, {}
        for number in numbers:
            candidates = found.get(number, self.env["res.partner"])
            if len(candidates) > 1:
                problems[number] = self._ambiguous_text(number, candidates)
            elif candidates:
                contacts[number] = candidates
            else:
                problems[number] = self.env._(
                    "No contact has the number %s. Please add it to a contact first.",
                    number,
                )
        return contacts, problems

    @api.model
    def _find_or_make_number(self, text):
        """Like :meth:`_find_numbers` for one number as somebody types it, of a contact
        who is made where there is none: for a form that shows them before sending."""
        partners = self.env["res.partner"]
        # Of nobody: numbers without a country code are the company's country's
        number = partners.new({"country_id": self.env.company.country_id.id})
        number = number._phone_format(number=text or "", raise_exception=False)
        if not number:
            text = self.env._("“%s” is neither an address nor a number.", text or "")
            return {}, {"": text}
        contacts, problems = self._find_numbers([number])
        if problems and not self._contacts_by("phone_sanitized", [number]):
            if not partners.has_access("create"):
                text = self.env._(
                    "No contact has the number %s, and you may not add contacts.",
                    number,
                )
                return {}, {number: text}
            return {number: partners.create({"name": number, "phone": number})}, {}
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

    @api.model
    def _contact_values(self, name, email, company):
        values = {"name": name or email, "email": formataddr((name, email))}
        return {**values, "company_id": company.id} if company else values

    @api.model
    def _rows_to_recipients(self, records, generated):
        """A row for each contact of each record.

        :param records: the documents
        :param dict generated: by id of the document, what Odoo's templates render:
            ``subject``, ``body_html``, ``partner_ids``, ``email_to``, ``email_cc``,
            ``attachments`` (name, base64), ``attachment_ids``; or ``files`` (name,
            bytes)
        :return: list of dicts for ``secure.dispatch._deliver``
        """
        addresses = [
            text
            for values in generated.values()
            for text in (values.get("email_to"), values.get("email_cc"))
        ]
        found, problems = self._find_contacts(addresses)
        ids = {id_ for values in generated.values() for id_ in self._pids(values)}
        everybody = self.env["res.partner"].browse(ids).exists()
        _contacts, staff = self._split(everybody)
        files = self._files_of([values for values in generated.values()])
        rows = []
        for record, content_files in zip(records, files, strict=True):
            values = generated[record.id]
            partners = everybody.browse(self._pids(values)) & everybody
            given = self._normalized(values)
            for email in given:
                partners |= found.get(email, everybody.browse())
            colleagues = staff.filtered(
                lambda user, given=partners: user.partner_id in given
            )
            contacts = partners - colleagues.partner_id.with_env(self.env)
            common = {
                "record": record,
                "res_id": record.id,
                "colleagues": colleagues,
                "subject": values.get("subject"),
                "body": values.get("body_html"),
                "attachments": content_files,
            }
            rows += [{**common, "partner": contact} for contact in contacts]
            wrong = [problems[email] for email in given if email in problems]
            if wrong or not contacts:
                text = "\n".join(wrong) or self.env._("There is no contact to send to.")
                rows.append({"res_id": record.id, "problem": text})
        return rows

    @api.model
    def _pids(self, values):
        return list(dict.fromkeys(values.get("partner_ids") or []))

    @api.model
    def _normalized(self, values):
        """The addresses of a record's rendered values, as :meth:`_find_contacts` names
        them."""
        texts = (values.get("email_to"), values.get("email_cc"))
        return list(
            dict.fromkeys(
                email_normalize(email) or email
                for text in texts
                for _name, email in email_split_tuples(text or "")
            )
        )

    @api.model
    def _files_of(self, values_list):
        """(name, bytes) of the files of each rendered message. What many share is read
        once."""
        ids = {
            id_ for values in values_list for id_ in values.get("attachment_ids", ())
        }
        shared = self.env["ir.attachment"].browse(ids)
        shared.check_access("read")
        contents = {file.id: (file.name, file.raw) for file in shared}
        return [
            [
                *values.get("files", ()),
                *(contents[id_] for id_ in values.get("attachment_ids") or []),
                *(
                    (name, base64.b64decode(data))
                    for name, data in values.get("attachments") or []
                ),
            ]
            for values in values_list
        ]
