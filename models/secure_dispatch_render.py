"""What goes to each recipient of a send, rendered with its author's rights."""

import psycopg2
from markupsafe import Markup

from odoo import api, models

from ..tools import log_filter


class SecureDispatchRender(models.Model):
    _inherit = "secure.dispatch"

    def _rows(self, lines):
        """What goes to each of these recipients, rendered as the current user.

        :param lines: as superuser; authors need no access to their sends
        """
        dispatch = self.sudo()
        if dispatch.template_id and not dispatch.sealed_body:
            return self._template_rows(lines)
        shared = self._shared_values()
        self._find_partners(lines.filtered(lambda line: not line.partner_id))
        texts = self._render_lines(lines)
        rows = []
        for line in lines:
            document = self._document_of(line)
            row = {
                **shared,
                "line": line,
                "res_id": document.id,
                "record": document,
                "partner": line.partner_id.with_env(self.env),
            }
            rows.append({**row, **texts[line]})
            if not line.partner_id:
                text = self.env._("There is no contact to send to.")
                rows[-1]["problem"] = text
        return rows

    def _find_partners(self, lines):
        """Whom a document is for by now, that had nobody when it was sent."""
        model = self.sudo().res_model
        if not lines or not hasattr(self.env[model], "_message_get_default_recipients"):
            return
        records = self.env[model].browse(lines.mapped("res_id")).exists()
        found = records._message_get_default_recipients()
        for line in lines:
            ids = found.get(line.res_id, {}).get("partner_ids") or []
            line.partner_id = ids[0] if len(ids) == 1 else False

    def _shared_values(self):
        """What all recipients get alike."""
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

    def _document_of(self, line):
        model = self.sudo().res_model or "res.partner"
        return self.env[model].browse(line.res_id or line.partner_id.id)

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
        try:
            with self.env.cr.savepoint(), log_filter.content_at_work():
                subjects = self._render("sealed_subject", "inline_template", ids)
                bodies = self._render("sealed_body", "qweb", ids)
        except psycopg2.Error:
            raise
        except Exception:
            if len(lines) > 1:
                return {
                    key: value
                    for line in lines
                    for key, value in self._render_group(line).items()
                }
            # What went wrong may quote the content: it is not kept
            text = self.env._("The text could not be filled in.")
            return {lines: {"problem": text}}
        return {
            line: {"subject": subjects[record.id], "body": bodies[record.id]}
            for line, record in documents.items()
        }

    def _render(self, field, engine, ids):
        model = self.sudo().res_model or "res.partner"
        source = self.sudo()._open_sealed(field) or ""
        if self.sudo().is_final:
            return dict.fromkeys(ids, Markup(source) if engine == "qweb" else source)
        options = {"post_process": True} if engine == "qweb" else {}
        return self.env["mail.render.mixin"]._render_template(
            source, model, ids, engine=engine, options=options
        )

    def _template_rows(self, lines):
        """Like :meth:`_rows`, by an email template as it is now."""
        template = self.template_id
        waiting = lines.grouped("res_id")
        served = {
            (line.res_id, line.partner_id)
            for line in self.sudo().line_ids - lines.sudo()
            if line.res_id in waiting
        }
        rows = []
        for row in template._secure_rows(list(waiting)):
            partner = row.get("partner", self.env["res.partner"]).sudo()
            if (row["res_id"], partner) in served:
                continue
            row["line"] = self._line_for(waiting, row["res_id"], partner)
            rows.append({**row, "channel": self.sudo().channel})
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
