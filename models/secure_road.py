"""What Odoo's own ways of sending hand over, made ready for ``secure.thread._send``."""

from markupsafe import Markup

from odoo import api, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import groupby
from odoo.tools.mail import plaintext2html

from ..tools import own_code

LINE = Markup('<p><i class="fa fa-lock"></i> %s</p>')
"""What a document's chatter keeps: a lock, and where to read on."""


class SecureRoad(models.AbstractModel):
    """The joint of all roads: who a document's message goes to, for which company,
    and who answers for it."""

    _name = "secure.road"
    _description = "Secure Messaging from Documents"

    @api.model
    def _acting(self):
        """As the person who sends, with their own rights, although Odoo's routes come
        here with ``sudo()``. What is automatic keeps the rights it runs with.

        :raise AccessError: when somebody else than staff sends
        """
        if self._sender():
            return self.sudo(False)
        if not self.env.su:
            raise AccessError(self.env._("Only staff may send secure messages."))
        return self

    @api.model
    def _sender(self):
        """The member of staff who sends; empty for automatic sends."""
        user = self.env.user
        person = self.env.uid != api.SUPERUSER_ID and user._is_internal()
        if person and not own_code.is_automatic(self.env):
            return user
        return self.env["res.users"]

    # -- drafts ------------------------------------------------------------------

    @api.model
    def _drafts(self, rows):
        """Turn what a road knows into dicts for ``secure.thread._send``.

        :param list rows: dicts with ``record`` (the document; may be empty),
            ``partner`` and whatever ``_send`` takes besides
        :return: list of dicts, in order
        """
        records = {}
        for row in rows:
            record = row.get("record")
            if record:
                records.setdefault(record._name, []).append(record)
        companies = {
            (model, id_): company
            for model, group in records.items()
            for id_, company in self._document_companies(
                self.env[model].union(*group)
            ).items()
        }
        return [self._draft(row, companies) for row in rows]

    @api.model
    def _document_companies(self, records):
        """The company each document names itself; none where it names none."""
        if "company_id" not in records._fields:
            return {}
        # sudo: the company decides on the send, whoever may read the document
        return {record.id: record.company_id for record in records.sudo()}

    @api.model
    def _draft(self, row, companies):
        values = dict(row)
        record = values.pop("record", None)
        human = self._sender()
        own = companies.get((record._name, record.id)) if record else None
        partner = values["partner"]
        responsible = human or self._document_responsible(record, partner)
        company = own or values.get("company") or (human and self.env.company)
        company = company or self._company_for(responsible, partner)
        # sudo: who is in charge there, whoever sends
        responsible = responsible or company.sudo().secure_responsible_id
        document = record or partner
        return {
            "res_model": document._name,
            "res_id": document.id,
            **({"responsible": human} if human else self._in_the_name_of(responsible)),
            **values,
            "company": company,
        }

    @api.model
    def _company_for(self, responsible, partner):
        """The company of what belongs to none itself."""
        # sudo: which company, whoever sends
        return (
            responsible.sudo().company_id
            or partner.sudo().company_id
            or self.env.company
        )

    @api.model
    def _in_the_name_of(self, user):
        """What a message that nobody wrote takes from the user who answers for it."""
        # sudo: facts about who sends, whoever sets it off
        author = user.sudo().partner_id
        return {"responsible": user, "sender": user, "author": author}

    @api.model
    def _document_responsible(self, record, partner):
        """Who answers for what is sent automatically: the document's responsible, else
        the contact's."""
        # sudo: names the person the company has put in charge
        for owner in filter(None, (record, partner)):
            user = owner.sudo()["user_id"] if "user_id" in owner._fields else None
            if user and user._name == "res.users" and user.active and not user.share:
                return user
        return self.env["res.users"]

    # -- documents ---------------------------------------------------------------

    @api.model
    def _log_lines(self, rows, sent):
        """The neutral line in each document's chatter, for all in one go.

        :param list rows: of ``secure.dispatch._deliver``
        :param list sent: of ``Sent``
        """
        by_record = {}
        for row, done in zip(rows, sent, strict=True):
            if done.thread and row.get("record"):
                by_record.setdefault(row["record"], []).append(done)
        for _model, records in groupby(by_record, lambda record: record._name):
            documents = records[0].union(*records)
            if isinstance(documents, self.pool["mail.thread"]):
                # sudo: whoever may send about it may leave the trace
                documents.sudo()._message_log_batch(
                    bodies={one.id: self._line(by_record[one]) for one in records}
                )

    @api.model
    def _line(self, sent):
        """The neutral line that a document's chatter keeps of what was sent.

        :param list sent: of ``Sent``
        :return: Markup
        """
        # sudo: names and ways in, which those who may read the document see
        return self._line_of_threads([row.thread.sudo() for row in sent if row.thread])

    @api.model
    def _line_of_threads(self, threads):
        links = Markup(", ").join(
            Markup("%s (%s)") % (thread.partner_id.name, thread._get_html_link())
            for thread in threads
        )
        return LINE % self.env._("Secure message to %(contacts)s", contacts=links)

    @api.model
    def _line_of_links(self, links):
        """Like :meth:`_line`, by what was issued; of nothing, when nothing was."""
        if not links:
            return Markup("<p>%s</p>") % self.env._("A secure message was not sent.")
        return self._line_of_threads(links.thread_id)

    @api.model
    def _line_planned(self, dispatch):
        """Like :meth:`_line`, of what will be sent later."""
        # sudo: names, which those who may read the document see
        names = ", ".join(dispatch.sudo().line_ids.partner_id.mapped("name"))
        return LINE % self.env._(
            "Secure message to %(contacts)s, scheduled: %(link)s",
            contacts=names,
            link=dispatch._get_html_link(dispatch.name),
        )

    @api.model
    def _check_sendable(self, drafts):
        """Tell now what would stop a send that is planned for later."""
        model = self.env["secure.draft"]
        model._check([model._complete(draft) for draft in drafts])

    @api.model
    def _form_problem(self, partners, record, channel):
        """Tell in a form, before anything is typed, what would stop a send.

        :param partners: ``res.partner`` it would go to
        :param record: the document, or None
        :return: text; empty when nothing is in the way
        """
        locked = self.env["secure.keyring"]._status()["problem"]
        if locked:
            return locked
        contacts, colleagues = self._split(partners._filtered_access("read"))
        if not contacts:
            return self._no_contacts_text(colleagues)
        model = self.env["secure.draft"]
        rows = [{"record": record, "partner": contact} for contact in contacts]
        # sudo: what the writer will be told anyway when sending is refused
        drafts = [
            {
                "partner": draft["partner"].sudo(),
                "company": draft["company"].sudo(),
                "thread": self.env["secure.thread"],
                "channel": channel,
                "pin": False,
            }
            for draft in self._drafts(rows)
        ]
        model._note_pin_rules(drafts)
        model._hide_value_flaws(drafts)
        problems = (model._outbound_problem(draft) for draft in drafts)
        return "\n".join(dict.fromkeys(filter(None, problems)))

    @api.model
    def _html(self, body):
        """A body as HTML, whether it came as such or as plain text."""
        if isinstance(body, Markup):
            return body
        return plaintext2html(body) if body else Markup()

    @api.model
    def _require_contacts(self, contacts, colleagues=None):
        """Refuse what goes to nobody outside.

        :param colleagues: ``res.users`` among the recipients, to be named
        """
        if not contacts:
            raise UserError(self._no_contacts_text(colleagues))

    @api.model
    def _no_contacts_text(self, colleagues):
        if colleagues:
            # sudo: names, which the writer has just chosen
            names = ", ".join(colleagues.sudo().mapped("name"))
            return self.env._(
                "A secure message goes to contacts, and these are colleagues: %s. "
                "Please add at least one contact.",
                names,
            )
        return self.env._(
            "A secure message goes to contacts. Please add at least one to the "
            "recipients: followers alone do not get it."
        )

    @api.model
    def _take_standard(self, values):
        """For what goes out as it is: uploads that were sealed while “Send Securely”
        was on are opened again, by whoever uploaded them."""
        ids = values.get("attachment_ids")
        if ids and all(isinstance(id_, int) for id_ in ids):
            files = self.env["ir.attachment"]
            values = {**values, "attachment_ids": files._secure_unsealed(ids)}
        return values
