"""What goes to each recipient of a send, rendered with its author's rights."""

import re

from markupsafe import Markup

from odoo import api, models

from ..tools import own_code

TEMPLATE_CHOOSES = ("template", "calendar")
"""Where the template says who gets it; elsewhere the sender did, and the template gives
text and files."""
MASS = frozenset({"compose", "composer", "mailing", "sms"})
"""To several at once, these honour blacklists, as Odoo's mass modes do."""
DYNAMIC = re.compile(r"<t\b|\bt-[a-z]|\{\{")
"""What rendering would change; anything else is the same for everybody."""
TEMPLATE_TEXTS = ("body_html", "subject")
TEMPLATE_FILES = ("attachment_ids", "report_template_ids")


class SecureDispatchRender(models.Model):
    _inherit = "secure.dispatch"

    def _rows(self, lines):
        """What goes to each of these recipients, rendered as the current user.

        :param lines: as superuser; authors need no access to their sends
        """
        # sudo: authors need no access to their sends
        dispatch = self.sudo()
        template = dispatch.template_id and not dispatch.sealed_body
        if template and dispatch.origin in TEMPLATE_CHOOSES:
            return self._template_rows(lines)
        self._find_partners(lines.filtered(lambda line: not line.partner_id))
        shared = self._shared_values()
        problems = self._line_problems(lines)
        good = lines.filtered(lambda line: line not in problems)
        colleagues = self._document_colleagues(good)
        texts = self._render_lines(good)
        files = self._template_files(good)
        rows = []
        for line in lines:
            row = {**shared, "line": line, **self._about(line)}
            row["partner"] = line.partner_id.with_env(self.env)
            row["problem"] = problems.get(line, "")
            row.update(texts.get(line, {}))
            res_id = self._document_of(line).id
            row["attachments"] = [*shared["attachments"], *files.get(res_id, [])]
            row["colleagues"] |= colleagues.get(res_id, row["colleagues"])
            rows.append(row)
        return rows

    def _about(self, line):
        """Which document a recipient's conversation is about. What was composed to
        contacts is about none, and starts a conversation of its own."""
        # sudo: authors need no access to their sends
        dispatch = self.sudo()
        if dispatch.origin == "compose" and not dispatch.res_model:
            return {"record": None, "res_model": False, "res_id": False}
        document = self._document_of(line)
        return {"record": document, "res_id": document.id}

    def _find_partners(self, lines):
        """Whom a document is for by now, that had nobody when it was sent."""
        # sudo: authors need no access to their sends
        model = self.sudo().res_model
        if not lines or model not in self.env:
            return
        records = self.env[model].browse(lines.mapped("res_id")).exists()
        found = self.env["secure.road"]._recipients_of(records)
        for line in lines:
            partners = found.get(line.res_id, ())
            line.partner_id = partners.id if len(partners) == 1 else False

    def _shared_values(self):
        """What all recipients get alike."""
        # sudo: authors need no access to their sends
        dispatch = self.sudo()
        return {
            "company": dispatch.company_id,
            "channel": dispatch.channel,
            "pin": dispatch._open_sealed("sealed_pin"),
            "expiry_hours": int(dispatch.expiry_hours),
            "renewable": dispatch.renewable,
            "attachments": dispatch.attachment_ids._secure_files(),
            "colleagues": dispatch.participant_ids,
        }

    def _document_model(self):
        # sudo: authors need no access to their sends
        return self.env[self.sudo().res_model or "res.partner"]

    def _document_of(self, line):
        return self._document_model().browse(line.res_id or line.partner_id.id)

    # -- what stands in the way ----------------------------------------------------

    def _line_problems(self, lines):
        """Why some recipients get nothing now, before anything is rendered.

        :return: dict of texts by line
        """
        # sudo: authors need no access to their sends
        dispatch = self.sudo()
        if dispatch.has_pin and not dispatch.sealed_pin:
            text = self.env._(
                "The PIN of this send is no longer kept. Please write it."
            )
            return dict.fromkeys(lines, text)
        problems = self._blacklisted(lines)
        documents = self._documents(lines)._filtered_access("read")
        partners = lines.partner_id.with_env(self.env)._filtered_access("read")
        for line in lines:
            if not line.partner_id:
                problems[line] = self.env._("There is no contact to send to.")
            elif line.partner_id.id not in partners._ids:
                problems[line] = self.env._("The sender may not see this contact.")
            elif self._document_of(line).id not in documents._ids:
                text = self.env._("The document is gone, or not the sender's to read.")
                problems[line] = text
        return problems

    def _documents(self, lines):
        """The documents of recipients, those that are still there."""
        ids = {self._document_of(line).id for line in lines}
        return self._document_model().browse(filter(None, ids)).exists()

    def _blacklisted(self, lines):
        # sudo: authors need no access to their sends
        dispatch = self.sudo()
        if dispatch.origin not in MASS or dispatch.line_count < 2:
            return {}
        listed = self._blacklisted_partners(lines.partner_id, dispatch.channel)
        text = self._blacklisted_text()
        return {line: text for line in lines if line.partner_id in listed}

    @api.model
    def _blacklisted_text(self):
        return self.env._("On the blacklist: asked not to be written to.")

    @api.model
    def _blacklisted_partners(self, partners, channel):
        """Those who asked not to get mass mails or SMS; one query for all."""
        # sudo: as Odoo's mass modes, whoever sends
        addresses = {
            partner: partner._secure_address(channel) for partner in partners.sudo()
        }
        model, field = {
            "email": ("mail.blacklist", "email"),
            "sms": ("phone.blacklist", "number"),
        }[channel]
        known = list(filter(None, addresses.values()))
        rows = self.env[model].sudo().search_read([(field, "in", known)], [field])
        listed = {row[field] for row in rows}
        return partners.filtered(lambda one: addresses[one] in listed)

    def _document_colleagues(self, lines):
        """Colleagues who have a part in each document, by its id; they take part in
        its contacts' conversations."""
        documents = self._documents(lines)
        if not hasattr(documents, "_secure_colleagues"):
            return {}
        return documents._secure_colleagues()

    # -- texts -------------------------------------------------------------------

    def _render_lines(self, lines):
        """Subject and body for each recipient, in their language; where that fails for
        all, one by one.

        :return: dict by line of dicts with ``subject`` and ``body``, or ``problem``
        """
        texts = {}
        for lang, group in lines.grouped(lambda line: line.partner_id.lang).items():
            texts.update(self.with_context(lang=lang)._render_group(group))
        return texts

    def _render_group(self, lines):
        documents = {line: self._document_of(line) for line in lines}
        ids = list({document.id for document in documents.values()})
        road = self.env["secure.road"]
        texts = road._render_each(ids, self._render_texts)
        unfilled = {"problem": road._unfilled_text()}
        return {line: texts[one.id] or unfilled for line, one in documents.items()}

    def _render_texts(self, ids):
        """:return: dict by document of dicts with ``subject`` and ``body``"""
        # sudo: authors need no access to their sends
        dispatch = self.sudo()
        road = self.env["secure.road"]
        templates = (dispatch.template_id, dispatch.sms_template_id)
        if dispatch.sealed_body or not any(templates):
            subjects = self._render("sealed_subject", "inline_template", ids)
            engine = "inline_template" if dispatch.origin == "sms" else "qweb"
            bodies = self._render("sealed_body", engine, ids)
        elif dispatch.sms_template_id:
            template = dispatch.sms_template_id.with_env(self.env)
            subjects = self._render("sealed_subject", "inline_template", ids)
            bodies = template._render_field("body", ids, compute_lang=True)
        else:
            template = dispatch.template_id.with_env(self.env)
            rendering = template.with_context(**own_code.RENDERING)
            generated = rendering._generate_template(ids, TEMPLATE_TEXTS)
            subjects = {id_: generated[id_].get("subject") for id_ in ids}
            bodies = {id_: Markup(generated[id_].get("body_html") or "") for id_ in ids}
        return {
            id_: {"subject": subjects[id_], "body": road._html(bodies[id_])}
            for id_ in ids
        }

    def _render(self, field, engine, ids):
        # sudo: authors need no access to their sends
        dispatch = self.sudo()
        source = dispatch._open_sealed(field) or ""
        if dispatch.is_final or not DYNAMIC.search(source):
            return dict.fromkeys(ids, Markup(source) if engine == "qweb" else source)
        options = {"post_process": True} if engine == "qweb" else {}
        rendered = self.env["mail.render.mixin"]._render_template(
            source, self._document_model()._name, ids, engine=engine, options=options
        )
        return {
            id_: Markup(text) if engine == "qweb" else text
            for id_, text in rendered.items()
        }

    def _template_files(self, lines):
        """Files and reports of the template that was chosen, by document: those of
        Odoo's composer are among its own files already, but for the reports."""
        # sudo: authors need no access to their sends, nor to the templates
        dispatch = self.sudo()
        names = TEMPLATE_FILES if dispatch.origin == "compose" else TEMPLATE_FILES[1:]
        template = dispatch.template_id.with_env(self.env)
        if not lines or not any(dispatch.template_id[name] for name in names):
            return {}
        ids = self._documents(lines).ids
        generated = template._generate_template(ids, names)
        files = self.env["secure.road"]._files_of([generated[id_] for id_ in ids])
        return dict(zip(ids, files, strict=True))

    # -- templates that say who gets them --------------------------------------------

    def _template_rows(self, lines):
        """Like :meth:`_rows`, by an email template as it is now."""
        # sudo: authors need no access to their sends
        dispatch = self.sudo()
        template = dispatch.template_id.with_env(self.env)
        waiting = lines.grouped("res_id")
        served = {
            (line.res_id, line.partner_id)
            for line in dispatch.line_ids - lines
            if line.res_id in waiting
        }
        rows = []
        for row in template._secure_rows(list(waiting)):
            partner = row.get("partner", self.env["res.partner"])
            if (row["res_id"], partner) in served:
                continue
            row["line"] = self._line_for(waiting, row["res_id"], partner)
            rows.append({**row, "channel": dispatch.channel})
        return rows

    @api.model
    def _line_for(self, waiting, res_id, partner):
        """The recipient's line: the contact's, else the document's that has no contact
        yet; taken out of ``waiting``. None when a new one is to be made."""
        group = waiting[res_id]
        found = group.filtered(lambda line: line.partner_id == partner)
        found = (found or group.filtered(lambda line: not line.partner_id))[:1]
        waiting[res_id] = group - found
        return found or None
