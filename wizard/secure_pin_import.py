"""PINs for many contacts from a list, or generated for those chosen."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import email_normalize

from ..tools import pin_list, pin_policy

ERRORS_TOLD = 50
CONTACT_NAMES = {"ref": "ref", "email": "email_normalized"}
"""The contact's field that each way of naming one is looked up in."""


class SecurePinImport(models.TransientModel):
    """Import PINs. Neither the list nor a file ever reaches a table: the browser reads
    the file, saving the form sets the PINs, and nothing of it is given back.

    Odoo's own import keeps what is uploaded in its table, in clear: it is not used.
    """

    _name = "secure.pin.import"
    _description = "Import PINs"

    text = fields.Text(
        "List", store=False, compute="_compute_text", inverse="_inverse_text"
    )
    bulk_id = fields.Many2one("secure.pin.bulk", readonly=True)

    def _compute_text(self):
        self.text = False

    def action_import(self):
        """Show what became of it; saving the form has set the PINs, or begun to."""
        self.ensure_one()
        if not self.bulk_id:
            raise UserError(self.env._("Please paste a list, or choose a file."))
        return self.bulk_id._shown_action()

    def _inverse_text(self):
        """All of the list or nothing: what is wrong is told by line, and what was typed
        stays in the form."""
        for wizard in self.filtered("text"):
            self.env["secure.pin.bulk"]._check_may_set()
            pins = wizard._read_list(wizard.text)
            wizard.bulk_id = self.env["secure.pin.bulk"]._set_pins(pins, "imported")
            wizard.text = False

    @api.model
    def _read_list(self, text):
        """The digits by contact.

        :raise UserError: with all that is wrong, by line
        """
        try:
            key, rows = pin_list.parse(text)
        except pin_list.ListRefused as refusal:
            raise UserError(self._refusal_text(refusal.reason)) from None
        found = self._find_contacts(key, {name for _line, name, _pin in rows})
        pins, problems, seen = {}, [], {}
        for line, name, pin in rows:
            partner = found.get(self._named(key, name), self.env["res.partner"])
            problem = self._contact_problem(name, partner, seen)
            problem = problem or self._pin_problem(partner, pin)
            if problem:
                text = self.env._("Line %(line)s: %(problem)s")
                problems.append(text % {"line": line, "problem": problem})
                continue
            seen[partner] = line
            pins[partner] = pin_policy.normalize(pin)
        if problems:
            raise UserError(self._problems_text(problems))
        return pins

    @api.model
    def _contact_problem(self, name, partner, seen):
        if not name:
            return self.env._("no contact is named.")
        if not partner:
            return self.env._("no contact is found, or none that you may see.")
        if len(partner) > 1:
            return self.env._("several contacts fit.")
        if partner in seen:
            return self.env._("the contact of line %s again.", seen[partner])
        return ""

    @api.model
    def _pin_problem(self, partner, pin):
        if not pin:
            return self.env._("no PIN.")
        try:
            self.env["secure.pin"]._validated(partner, pin)
        except UserError as refusal:
            return str(refusal)
        return ""

    @api.model
    def _problems_text(self, problems):
        told = problems[:ERRORS_TOLD]
        if len(problems) > ERRORS_TOLD:
            more = len(problems) - ERRORS_TOLD
            told.append(self.env._("… and %(count)s more problems.", count=more))
        return "\n".join([self.env._("No PIN was set."), *told])

    @api.model
    def _refusal_text(self, reason):
        return {
            "empty": self.env._(
                "The list is empty. It begins with a line of headings."
            ),
            "long": self.env._(
                "The list is too long: %(lines)s contacts at once.",
                lines=pin_list.MAX_LINES,
            ),
            "pin": self.env._("The first line of the list has no heading “pin”."),
            "contact": self.env._(
                "The first line of the list does not say how contacts are named: by "
                "“.id”, “id”, “ref” or “email”."
            ),
            "broken": self.env._("The list cannot be read: it is not CSV."),
        }[reason]

    # -- who is meant ------------------------------------------------------------

    @api.model
    def _named(self, key, name):
        """How a contact is written, in the form it is looked up by."""
        if key == "email":
            return email_normalize(name) or name
        return name

    @api.model
    def _find_contacts(self, key, names):
        """Contacts the current user sees, by how they are named; several where that is
        not clear. The same two queries or so for all.

        :return: dict of ``res.partner``
        """
        names = {self._named(key, name) for name in names if name}
        partners = self.env["res.partner"]
        if key in CONTACT_NAMES:
            field = CONTACT_NAMES[key]
            seen = partners.search([(field, "in", list(names))])
            ids = {}
            for partner in seen:
                ids.setdefault(partner[field], []).append(partner.id)
        else:
            by_name = self._database_ids(names)
            if key == "external_id":
                by_name = self._external_ids(names)
            seen = partners.search([("id", "in", list(by_name.values()))])
            visible = set(seen.ids)
            ids = {name: [id_] for name, id_ in by_name.items() if id_ in visible}
        return {
            name: seen.browse(found).with_prefetch(seen.ids)
            for name, found in ids.items()
        }

    @api.model
    def _database_ids(self, names):
        return {
            name: int(name)
            for name in names
            if name.isascii() and name.isdigit() and len(name) < 10
        }

    @api.model
    def _external_ids(self, names):
        # sudo: names of records; which of them the user sees is asked next
        data = self.env["ir.model.data"].sudo()
        short = {name.partition(".")[2] or name for name in names}
        rows = data.search([("model", "=", "res.partner"), ("name", "in", list(short))])
        return {
            row.complete_name: row.res_id for row in rows if row.complete_name in names
        }
