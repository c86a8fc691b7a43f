"""C3: what Odoo's composer sends, on its way to Odoo's sending."""

from odoo import api, models
from odoo.exceptions import UserError
from odoo.fields import Command

from ..tools import content, log_filter, own_code


class TakenFiles:
    """Files of a message between its composer and its sealing. In memory only; a
    client's context cannot hold one."""

    def __init__(self, files):
        self.files = files


class MailComposeMessageSend(models.TransientModel):
    _inherit = "mail.compose.message"

    def _action_send_mail(self, auto_commit=False):
        composer = own_code.without_choice(self)
        return super(MailComposeMessageSend, composer)._action_send_mail(
            auto_commit=auto_commit
        )

    def _action_send_mail_comment(self, res_ids):
        return super(
            MailComposeMessageSend, self._secure_files_taken()
        )._action_send_mail_comment(res_ids)

    def _action_send_mail_mass_mail(self, res_ids, auto_commit=False):
        """Like Odoo's, whose mails become notifications (:meth:`_manage_mail_values`);
        what it sends is listed in the Outbox."""
        self.env["secure.bridge"]._check_mailing(self, "mass_mailing_id")
        composer = self._secure_files_taken()
        if not self.secure_send:
            return super(MailComposeMessageSend, composer)._action_send_mail_mass_mail(
                res_ids, auto_commit=auto_commit
            )
        # sudo: nobody has access to the field; this send is the composer's own
        if self.sudo().secure_dispatch_id:
            # Pressed twice: whoever comes second waits for the first, and is told
            raise UserError(self.env._("This message has been sent already."))
        composer._secure_begin()
        soon = composer.force_send and composer._secure_leaves_after(auto_commit)
        if soon:
            composer.force_send = False
        mails = super(MailComposeMessageSend, composer)._action_send_mail_mass_mail(
            res_ids, auto_commit=auto_commit
        )
        dispatch = self.sudo().secure_dispatch_id
        dispatch._finish()
        if dispatch.origin == "composer" and not dispatch.line_ids:
            # All of it waits for the template's date, in sends of its own
            dispatch.state = "cancelled"
        if soon:
            # After the commit: who gets a link must find something there
            self.env["secure.notification"]._let_leave(mails._due())
        return mails

    def _secure_leaves_after(self, auto_commit):
        """Whether notifications are to wait for the commit: where none is made before
        they leave."""
        return not auto_commit

    def _secure_files_taken(self):
        """The composer without its files, which a secure one carries in memory from
        here on; an ordinary one gets back what was sealed while the switch was on."""
        files = self.env["ir.attachment"]
        if self.secure_send:
            taken = TakenFiles(files._secure_take(self.attachment_ids.ids))
            self.attachment_ids = False
            return self.with_context(secure_taken_files=taken)
        if self.attachment_ids:
            ids = files._secure_unsealed(self.attachment_ids.ids)
            if ids != self.attachment_ids.ids:
                self.attachment_ids = [Command.set(ids)]
        return self

    def _secure_taken_files(self):
        taken = self.env.context.get("secure_taken_files")
        return taken.files if isinstance(taken, TakenFiles) else []

    def _prepare_mail_values(self, res_ids):
        if not self.secure_send:
            return super()._prepare_mail_values(res_ids)
        # These keys only add protection: reports are sealed as they are made, and an
        # address that several contacts have is not resolved by taking the first
        sealing = self.with_context(
            secure_seal_files=True,
            secure_exact_contacts=True,
            mail_composer_force_partners=self.composition_mode != "mass_mail",
        )
        with log_filter.content_at_work():
            return super(MailComposeMessageSend, sealing)._prepare_mail_values(res_ids)

    def _prepare_mail_values_dynamic(self, res_ids):
        """Odoo adds the composer's recipients to every document: each appointment's
        content would go to the attendees of all that were ticked."""
        values_all = super()._prepare_mail_values_dynamic(res_ids)
        if not self.secure_send:
            return values_all
        records = self.env[self.model].browse(res_ids)
        for res_id, ids in self.env["secure.road"]._own_recipients(records).items():
            if self.composition_mode == "mass_mail":
                values_all[res_id]["recipient_ids"] = [Command.link(id_) for id_ in ids]
            else:
                values_all[res_id]["partner_ids"] = ids
        return values_all

    def _prepare_mail_values_static(self):
        values = super()._prepare_mail_values_static()
        if self.secure_send and self.composition_mode == "comment":
            values.update(send_securely=True, ask_consent=self.ask_consent)
        return values

    def _manage_mail_values(self, mail_values_all):
        values_all = super()._manage_mail_values(mail_values_all)
        if not self.secure_send:
            return values_all
        if self.composition_mode == "mass_mail":
            return self._secure_mail_values(values_all)
        for values in values_all.values():
            files = [*values.get("attachments", []), *self._secure_taken_files()]
            values["attachments"] = files
        return values_all

    def _action_schedule_message(self):
        """A secure message that waits is a send of the Outbox: Odoo's table of
        scheduled messages keeps text and files in clear."""
        composers = own_code.without_choice(self)
        secure = composers.filtered("secure_send")
        for composer in secure:
            taken = composer._secure_files_taken()
            [res_id] = taken._evaluate_res_ids()
            values = taken._manage_mail_values(taken._prepare_mail_values([res_id]))
            self.env[composer.model].browse(res_id).message_post(**values[res_id])
        rest = composers - secure
        return super(MailComposeMessageSend, rest)._action_schedule_message()

    # -- many at once ------------------------------------------------------------

    def _secure_begin(self):
        template = self.template_id
        as_it_is = self.body_has_template_value and self.subject == template.subject
        dispatch = self.env["secure.dispatch"]._begin(
            {
                "origin": "composer",
                "channel": "email",
                "res_model": self.model,
                "template_id": template.id,
                "ask_consent": self.ask_consent,
            }
        )
        dispatch._put_content(
            subject=False if as_it_is else self.subject,
            # A text that was taken out is not the template's
            body=False if as_it_is else self.body or " ",
            pin=False,
            files=self._secure_taken_files(),
        )
        # sudo: nobody has access to the field
        self.sudo().secure_dispatch_id = dispatch

    def _secure_mail_values(self, values_all):
        """Store the content of mails, and make notifications of them.

        :param dict values_all: by record id, what Odoo is about to create mails from
        :return: the same, in which no content is left
        """
        # sudo: nobody has access to the field; this send is the composer's own
        dispatch = self.sudo().secure_dispatch_id.with_env(self.sudo().env)
        rows = self._secure_rows(values_all)
        now = [row for row in rows if row.get("problem") or not row.get("later")]
        later = [row for row in rows if row.get("later") and not row.get("problem")]
        self.template_id._secure_plan(dispatch, later, is_final=True)
        for row in later:
            values = values_all[row["res_id"]]
            values.update(self._secure_refusal(values, row["problem"]))
        first, more = self._first_of_each_record(now)
        sent = dispatch._deliver(first, notify=False)
        if more:
            dispatch._deliver(more)
        for row, done in zip(first, sent, strict=True):
            values = values_all[row["res_id"]]
            if done.link:
                values.update(self._secure_notification(row, done))
            else:
                values.update(self._secure_refusal(values, row["problem"]))
        return values_all

    def _secure_rows(self, values_all):
        """A row for each contact, and one for each mail that Odoo would not send."""
        failures = dict(self.env["mail.mail"]._fields["failure_type"].selection)
        rows, generated = [], {}
        for res_id, values in values_all.items():
            if values.get("state") in ("cancel", "exception"):
                text = failures.get(values.get("failure_type")) or self.env._("Refused")
                ids = content.ids_of_commands(values.get("recipient_ids"))
                contact = self.env["res.partner"].browse(ids[:1])
                rows.append({"res_id": res_id, "partner": contact, "problem": text})
                self._secure_reports(values)._secure_shred()
            else:
                generated[res_id] = self._secure_generated(values)
        records = self.env[self.model].browse(generated)
        found = self.env["secure.road"]._rows_to_recipients(records, generated)
        self._secure_blacklisted(found)
        return rows + found

    def _secure_generated(self, values):
        """One mail's content, taken out of its values."""
        reports = self._secure_reports(values)
        files = [*self._secure_taken_files(), *reports._secure_files()]
        reports._secure_shred()
        return {
            "subject": values.get("subject"),
            "body_html": self._secure_content(values),
            "partner_ids": content.ids_of_commands(values.get("recipient_ids")),
            "email_to": values.get("email_to"),
            "email_cc": values.get("email_cc"),
            "scheduled_date": values.get("scheduled_date"),
            "files": files,
        }

    def _secure_reports(self, values):
        """Take the files out of a mail that are made for it."""
        ids = content.ids_of_commands(values.pop("attachment_ids", []))
        # sudo: just made for this mail, by Odoo with full rights, and sealed
        return self.env["ir.attachment"].sudo().browse(ids)

    def _secure_content(self, values):
        """The text of a mail that its reader shall see, without a layout around it."""
        return values.get("body")

    @api.model
    def _first_of_each_record(self, rows):
        seen, first, more = set(), [], []
        for row in sorted(rows, key=lambda row: bool(row.get("problem"))):
            (more if row["res_id"] in seen else first).append(row)
            seen.add(row["res_id"])
        return first, more

    def _secure_notification(self, row, done):
        """What is left of a mail: a line for the document, the text around the link."""
        return {
            **self.env["secure.notification"]._mail_values(done),
            "body": self.env["secure.road"]._line([done]),
            "attachment_ids": [],
            "auto_delete": False,
            "email_cc": False,
            "email_to": False,
            "recipient_ids": [Command.set(row["partner"].ids)],
        }

    def _secure_refusal(self, values, problem):
        """A mail that does not leave says why, and nothing else."""
        return {
            "body": self.env._("A secure message was not sent."),
            "body_html": False,
            "subject": False,
            "attachment_ids": [],
            "state": values.get("state") or "cancel",
            "failure_reason": problem,
        }

    def _generate_mail_notification_values(self, mails):
        """The message in the conversation learns, too, what becomes of its mail."""
        values = super()._generate_mail_notification_values(mails)
        return values + self._secure_notification_rows(mails)

    def _secure_notification_rows(self, mails):
        # sudo: only which of them are notifications
        secure = mails.sudo().filtered("secure_link_id")
        return [
            {
                "author_id": mail.author_id.id,
                "mail_message_id": mail.secure_link_id.message_id,
                "mail_mail_id": mail.id,
                "res_partner_id": mail.secure_link_id.thread_id.partner_id.id,
                "notification_type": "email",
                "notification_status": "ready",
                "is_read": True,
            }
            for mail in secure
        ]
