"""C4: whatever sends an email template, sent securely when the template is marked."""

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tools import groupby, split_every

from ..tools import content, own_code

CHUNK = 100
"""Records rendered and stored at once: what a send holds in memory."""
LOGIN_MODELS = frozenset({"res.users"})
"""Templates for these carry invitations, passwords and codes: who opens the message
behind a link would have to log in to read how to log in."""
CONTENT_FIELDS = (
    "attachment_ids",
    "body_html",
    "email_cc",
    "email_to",
    "partner_to",
    "report_template_ids",
    "scheduled_date",
    "subject",
)


class MailTemplate(models.Model):
    _name = "mail.template"
    _inherit = ["mail.template", "secure.consent.choice"]

    send_securely = fields.Boolean(
        default=lambda self: self.env["res.company"]._secure_new_default(),
        help="Contacts get a notification with a link; text, subject and files are "
        "read behind it. Whatever sends this template does so.",
    )

    @api.constrains("send_securely", "model_id")
    def _check_not_for_login(self):
        for template in self.filtered("send_securely"):
            if template.model in LOGIN_MODELS:
                raise ValidationError(
                    self.env._(
                        "“%(template)s” helps people log in: it cannot be sent "
                        "securely, they could not open it.",
                        template=template.display_name,
                    )
                )

    def send_mail_batch(self, res_ids, force_send=False, **kwargs):
        """Send to each record's recipients; securely, if the template is marked.

        Files and text stay inside. Of what callers hand over in ``email_values``, text,
        files and recipients are taken along.

        :return: ``mail.mail``, one for each record, in order: the notification, or one
            that is cancelled and says why nothing was sent
        """
        secure = self.send_securely and not own_code.is_standard(self.env, self)
        if not secure:
            return super().send_mail_batch(res_ids, force_send=force_send, **kwargs)
        return self._secure_send_batch(res_ids, force_send, **kwargs)

    def _secure_send_batch(
        self,
        res_ids,
        force_send=False,
        raise_exception=False,
        email_values=None,
        email_layout_xmlid=False,
    ):
        """:meth:`send_mail_batch` for the secure road, marked or not."""
        self.ensure_one()
        self._send_check_access(res_ids)
        overrides = self._secure_overrides(email_values or {})
        dispatch = self.env["secure.dispatch"]._begin(
            {
                "origin": "template",
                "template_id": self.id,
                "res_model": self.model,
                "channel": "email",
                # What a caller brings along instead of the template's own is not kept
                "can_retry": not overrides,
            }
        )
        # sudo: mails are returned as Odoo does it
        mails = self.env["mail.mail"].sudo()
        for chunk in split_every(CHUNK, list(res_ids)):
            rows = self._secure_rows(chunk, overrides)
            now = [row for row in rows if not row.get("later")]
            sent = dispatch._deliver(now, leave=False)
            self.env["secure.road"]._log_lines(now, sent)
            later = [row for row in rows if row.get("later")]
            sent += self._secure_plan(dispatch, later, is_final=bool(overrides))
            mails |= self._secure_mails(chunk, now + later, sent)
            if len(res_ids) > CHUNK:
                # The memory of one chunk is enough
                self.env.flush_all()
                self.env.invalidate_all()
        if not dispatch.line_ids:
            dispatch.unlink()
            dispatch = dispatch.browse()
        dispatch._finish()
        self._secure_refuse_alone(dispatch, res_ids)
        notification = self.env["secure.notification"]
        if force_send and raise_exception:
            # Whoever sends waits for what the mail server says
            dispatch._outgoing_mails().send(raise_exception=True)
        elif force_send:
            # After the commit: who gets a link must find something there
            notification._let_leave(dispatch._outgoing_mails())
        else:
            notification._wake_queue("email")
        return mails

    def _secure_plan(self, dispatch, rows, is_final):
        """Put what the template's date leaves for later into the Outbox: stored now, it
        could be read before its time.

        :param bool is_final: whether a caller brought text along; then each recipient's
            is kept as it is, else the template is rendered when it leaves
        :return: list of ``Sent``, all empty; the rows say what became of them
        """
        groups = groupby(
            rows, lambda row: (row["later"], row["res_id"] if is_final else 0)
        )
        for (date, _record), group in groups:
            planned = self.env["secure.dispatch"]._plan(
                {
                    "origin": "template",
                    "template_id": False if is_final else self.id,
                    "res_model": dispatch.res_model,
                    "channel": "email",
                    "is_final": is_final,
                    "ask_consent": dispatch.ask_consent,
                    **(self._secure_final(group[0]) if is_final else {}),
                },
                [{key: row[key] for key in ("res_id", "partner")} for row in group],
                scheduled_at=date,
            )
            planned._start()
            for row in group:
                row["problem"] = self.env._("Scheduled: %s", planned.name)
        return [dispatch._nothing()] * len(rows)

    @api.model
    def _secure_final(self, row):
        return {
            "subject": row["subject"],
            "body": row["body"],
            "files": row["attachments"],
            "participant_ids": [Command.set(row["colleagues"].ids)],
        }

    def _secure_refuse_alone(self, dispatch, res_ids):
        """Whoever sends to one record by hand is told at once what is wrong with it;
        for all others it stands in the Outbox."""
        tracking = own_code.is_tracking(self.env)
        if len(res_ids) == 1 and self.env["secure.road"]._sender() and not tracking:
            reasons = dispatch.line_ids.filtered("reason").mapped("reason")
            if reasons and not dispatch.line_ids.thread_id:
                raise UserError("\n".join(reasons))

    def _secure_rows(self, res_ids, overrides=None):
        """What would be sent to whom.

        :param list res_ids: of the template's model
        :param dict overrides: of :meth:`_secure_overrides`
        :return: list of rows for ``secure.dispatch._deliver``: at least one for each
            record, with ``problem`` where nothing can be sent
        """
        generated, rows = self._secure_generate(res_ids)
        road, records = self.env["secure.road"], self.env[self.model].browse(generated)
        if self.use_default_to:
            for res_id, ids in road._own_recipients(records).items():
                generated[res_id]["partner_ids"] = ids
        for values in generated.values():
            values.update(overrides or {})
        return rows + road._rows_to_recipients(records, generated)

    def _secure_generate(self, res_ids, names=CONTENT_FIELDS):
        """Render the template.

        :param names: the fields to render
        :return: (dict of rendered values by record id, rows that have a problem)
        """
        road = self.env["secure.road"]
        own = self.with_context(**own_code.RENDERING)

        def render(ids):
            self._read_languages(ids)
            return own._generate_template(ids, names)

        found = road._render_each(res_ids, render)
        text = road._unfilled_text()
        return (
            {res_id: values for res_id, values in found.items() if values is not None},
            [
                {"res_id": res_id, "problem": text}
                for res_id, values in found.items()
                if values is None
            ],
        )

    def _read_languages(self, res_ids):
        """Read contacts' languages in one query: Odoo asks for each by itself."""
        partners = self.env[self.model].browse(res_ids)._mail_get_partners().values()
        # sudo: languages only, which the contacts are written to in
        self.env["res.partner"].union(*partners).sudo().mapped("lang")

    @api.model
    def _secure_overrides(self, email_values):
        """What counts of a caller's values for the mail, in ``_generate_template``'s
        terms."""
        taken = {}
        if "body_html" in email_values or "body" in email_values:
            taken["body_html"] = email_values.get("body_html") or email_values["body"]
        for name in ("subject", "email_to", "email_cc", "scheduled_date"):
            if name in email_values:
                taken[name] = email_values[name]
        for source, target in (
            ("recipient_ids", "partner_ids"),
            ("attachment_ids", "attachment_ids"),
        ):
            if source in email_values:
                taken[target] = content.ids_of_commands(email_values[source])
        return taken

    def _secure_mails(self, res_ids, rows, sent):
        """One ``mail.mail`` for each record, in order."""
        by_record = {}
        for row, done in zip(rows, sent, strict=True):
            by_record.setdefault(row["res_id"], []).append((row, done))
        without = []
        mails = {}
        for res_id in res_ids:
            left = [done for _row, done in by_record[res_id] if done.message]
            if left:
                # sudo: as Odoo returns them; no content in these mails
                mails[res_id] = left[0].message.sudo().mail_ids[:1]
            else:
                without.append(res_id)
        neutral = self.env["mail.mail"]._secure_not_sent(
            [by_record[res_id][0][0]["problem"] for res_id in without]
        )
        mails.update(zip(without, neutral, strict=True))
        return self.env["mail.mail"].sudo().browse(mails[id_].id for id_ in res_ids)

    def _render_field(self, field, *args, **kwargs):
        """Refuse the text of a secure template to ways of sending that this module does
        not know: they would email it as it is."""
        if field == "body_html":
            for template in self.filtered("send_securely"):
                if not own_code.may_render(self.env, template):
                    raise UserError(template._secure_unknown_road_text())
        return super()._render_field(field, *args, **kwargs)

    def _secure_unknown_road_text(self):
        return self.env._(
            "“%(template)s” is to be sent securely, which is not possible here. "
            "Nothing was sent. Please choose another template, or use the composer.",
            template=self.display_name,
        )

    def _check_can_be_rendered(self, *args, **kwargs):
        own = self.with_context(**own_code.RENDERING)
        return super(MailTemplate, own)._check_can_be_rendered(*args, **kwargs)

    def _generate_template_recipients(self, res_ids, render_fields, **kwargs):
        """Of several contacts with one address Odoo takes the first; a secure message
        is not for whoever comes first."""
        exact = self.send_securely or self.env.context.get("secure_exact_contacts")
        if not exact or not kwargs.get("find_or_create_partners"):
            return super()._generate_template_recipients(
                res_ids, render_fields, **kwargs
            )
        values = super()._generate_template_recipients(
            res_ids, render_fields, **{**kwargs, "find_or_create_partners": False}
        )
        road = self.env["secure.road"]
        for res_id in res_ids:
            addresses = [
                values[res_id].pop(name, None) for name in ("email_to", "email_cc")
            ]
            partners = road._contacts_of_emails(addresses)
            values[res_id].setdefault("partner_ids", []).extend(partners.ids)
        return values
