"""What templates render, made into rows: a message for each contact."""

import base64

import psycopg2

from odoo import api, models
from odoo.tools import email_normalize
from odoo.tools.mail import email_split_tuples

from ..tools import log_filter


class SecureRoadRendered(models.AbstractModel):
    _inherit = "secure.road"

    @api.model
    def _render_each(self, ids, render):
        """Render for all at once; when that fails, for one by one.

        :param render: function that takes a list of ids and returns a dict by id
        :return: dict by id; None where the text could not be filled in
        """
        try:
            with self.env.cr.savepoint(), log_filter.content_at_work():
                return render(ids)
        except psycopg2.Error:
            raise
        except Exception:
            if len(ids) == 1:
                # What went wrong may quote the content: it is not kept
                return {ids[0]: None}
        return {
            id_: found
            for one in ids
            for id_, found in self._render_each([one], render).items()
        }

    @api.model
    def _unfilled_text(self):
        return self.env._("The text could not be filled in.")

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
        ids = {
            id_
            for values in generated.values()
            for id_ in values.get("partner_ids") or []
        }
        everybody = self.env["res.partner"].browse(ids).exists()
        _contacts, staff = self._split(everybody)
        files = self._files_of(list(generated.values()))
        rows = []
        for record, content_files in zip(records, files, strict=True):
            values = generated[record.id]
            partners = everybody.browse(values.get("partner_ids") or []) & everybody
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
                "scheduled_date": values.get("scheduled_date"),
            }
            rows += [{**common, "partner": contact} for contact in contacts]
            wrong = [problems[email] for email in given if email in problems]
            if wrong or not contacts:
                text = "\n".join(wrong) or self.env._("There is no contact to send to.")
                rows.append({"res_id": record.id, "problem": text})
        return rows

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
