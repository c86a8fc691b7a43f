"""Sending a new message: everything goes through the Outbox."""

import json

from odoo import models
from odoo.exceptions import AccessError, UserError
from odoo.tools import format_datetime, html2plaintext

from ..tools import content

RESTRICTED_GROUP = "mail.group_mail_template_editor"
LINK = "%s"
"""Where the web client puts the link into what is said afterwards."""


class SecureComposeSend(models.TransientModel):
    _inherit = "secure.compose"

    # -- steps -------------------------------------------------------------------

    def action_write(self):
        """Back to writing."""
        return self._at_step("write")

    def action_preview(self):
        """Show what leaves, and what the contact will see."""
        self._check_sender()
        return self._at_step("preview")

    def action_confirm(self):
        """Ask once more, with the number of recipients."""
        self._check_sender()
        self._check_content()
        return self._at_step("confirm")

    def _at_step(self, step):
        self.ensure_one()
        self.step = step
        return self._form_action(res_id=self.id)

    # -- sending -----------------------------------------------------------------

    def action_send(self):
        """Send to each contact alone, now or when its time has come.

        :return: action that shows what was sent
        """
        self.ensure_one()
        self._check_sender()
        self._check_content()
        rows, colleagues = self._recipients()
        if self._is_by_filter():
            if not rows:
                raise UserError(self.env._("No contact matches the filter."))
            rows = []
        elif not rows:
            self.env["secure.road"]._require_contacts(rows, colleagues)
        dispatch = self._plan_dispatch(rows, colleagues)
        dispatch._start_by_hand()
        action = self._done_action(dispatch)
        self.unlink()
        return action

    def _is_by_filter(self):
        return self.kind == "filter" and not self.res_model

    def _plan_dispatch(self, rows, colleagues):
        dispatches = self.env["secure.dispatch"]
        # What stands already is locked before its files and PIN are touched
        planned = self.dispatch_id and self.dispatch_id._claim("scheduled")
        values = self._dispatch_values(colleagues)
        if planned:
            return planned._replan(values, rows, self.scheduled_at)
        return dispatches._plan(
            {**values, "origin": "compose"}, rows, self.scheduled_at
        )

    def _dispatch_values(self, colleagues):
        own_text = not self._is_template_unchanged()
        pin = self._kept_pin()
        if self.has_kept_pin and self.keep_pin and not pin:
            raise UserError(
                self.env._("The PIN of this message is gone. Please set it again.")
            )
        files = self.env["ir.attachment"]._secure_take(self.attachment_ids.ids)
        return {
            "channel": self.channel,
            "company_id": self.company_id.id,
            "res_model": self.res_model,
            "recipient_filter": self._is_by_filter() and self.partner_filter,
            "template_id": self.template_id.id,
            "sms_template_id": self.sms_template_id.id,
            "participant_ids": [(6, 0, colleagues.ids)],
            "expiry_hours": self.expiry_hours,
            "renewable": self.renewable,
            "ask_consent": self.ask_consent,
            "is_final": self.is_final,
            "subject": self.subject if own_text or self.sms_template_id else False,
            # A text that was taken out is not the template's
            "body": (self.body or " ") if own_text else False,
            "pin": pin,
            "files": files,
        }

    # -- who may, and what ---------------------------------------------------------

    def _check_sender(self):
        if not self.env.user.has_group("secure_messaging.group_user"):
            raise AccessError(self.env._("You may not send secure messages."))
        if self.create_uid != self.env.user:
            raise AccessError(self.env._("This form was opened by somebody else."))
        self.company_id.check_access("read")
        if self.company_id not in self.env.companies:
            raise AccessError(self.env._("You may not send for this company."))
        self.partner_ids.check_access("read")
        if not (self.res_model or self._is_by_filter() or self.partner_ids):
            raise UserError(self.env._("Please choose at least one contact."))
        pending = self.env["ir.attachment"]._secure_pending(self.attachment_ids.ids)
        if pending != self.attachment_ids:
            raise UserError(
                self.env._("Some files are no longer there. Please attach them again.")
            )

    def _check_content(self):
        """What would be wrong for all recipients, told at once."""
        if content.is_empty(self.body) and not (
            self.attachment_ids or self.template_id or "<t" in (self.body or "")
        ):
            raise UserError(self.env._("Please write a message, or add a file."))
        problem = (
            self.company_id._secure_obstacle()
            or self.company_id._secure_consent_problem(self.ask_consent)
            or self._files_problem()
            or self._fields_problem()
        )
        if problem:
            raise UserError(problem)

    def _fields_problem(self):
        """Whether the writer uses fields in the text that Odoo lets template editors
        use only; rendering would refuse them, too."""
        user = self.env.user
        if self.is_final or user._is_admin() or user.has_group(RESTRICTED_GROUP):
            return ""
        if self._is_template_unchanged():
            return ""
        model, mixin = self.render_model, self.env["mail.render.mixin"]
        if mixin._has_unsafe_expression_template_qweb(
            self.body or "", model
        ) or mixin._has_unsafe_expression_template_inline_template(
            self.subject or "", model
        ):
            return self.env._(
                "You may not use these fields in a text; ask somebody who may edit "
                "templates, or write it out."
            )
        return ""

    # -- what is said afterwards ----------------------------------------------------

    def _done_action(self, dispatch):
        if dispatch.state in ("scheduled", "running"):
            return self._done_notification(
                "success", self._later_text(dispatch), dispatch, self.env._("Outbox")
            )
        sent, failed = dispatch.sent_count, dispatch.failed_count
        if not sent:
            reasons = dispatch.line_ids.mapped("reason")
            raise UserError("\n".join(dict.fromkeys(filter(None, reasons))))
        if failed:
            text = self.env._(
                "Sent securely to %(sent)s of %(count)s contacts. What is wrong with "
                "the others stands in the Outbox: %(link)s",
                sent=sent,
                count=sent + failed,
                link=LINK,
            )
            return self._done_notification("warning", text, dispatch, dispatch.name)
        threads = dispatch.line_ids.thread_id
        if len(threads) == 1:
            text = self.env._("Sent securely to %(link)s.", link=LINK)
            return self._done_notification(
                "success", text, threads, threads.partner_id.display_name
            )
        text = self.env._("Sent securely to %(count)s contacts.", count=sent)
        return self._done_notification("success", text)

    def _later_text(self, dispatch):
        count = dispatch.line_count or self.recipient_count
        if dispatch.state == "running":
            return self.env._(
                "Being sent to %(count)s contacts, see %(link)s", count=count, link=LINK
            )
        return self.env._(
            "Will be sent to %(count)s contacts on %(when)s, see %(link)s",
            count=count,
            when=format_datetime(self.env, dispatch.scheduled_at),
            link=LINK,
        )

    def _done_notification(self, kind, message, record=None, label=""):
        links = []
        if record:
            action = {
                "secure.dispatch": "secure_dispatch_action",
                "secure.thread": "secure_thread_action",
            }[record._name]
            url = f"/odoo/action-secure_messaging.{action}/{record.id}"
            links = [{"label": label, "url": url}]
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": kind,
                "message": message,
                "links": links,
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    # -- not securely --------------------------------------------------------------

    def action_standard(self):
        """Hand it to Odoo's own composer, as an ordinary message to the same people:
        there it is seen once more before it goes out in clear."""
        self.ensure_one()
        self._check_sender()
        rows, _colleagues = self._recipients()
        ids = [row["res_id"] if self.res_model else row["partner"].id for row in rows]
        model = self.render_model
        ids = list(dict.fromkeys(ids))
        composer = (
            self._standard_sms(model, ids)
            if self.channel == "sms"
            else self._standard_email(model, ids)
        )
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Standard Message, Not Secure"),
            "res_model": composer._name,
            "res_id": composer.id,
            "view_mode": "form",
            "target": "new",
        }

    def _standard_email(self, model, ids):
        files = self.env["ir.attachment"].with_context(secure_seal_files=True)
        uploads = self.env["ir.attachment"]._secure_pending(self.attachment_ids.ids)
        # Sealed still: that composer opens them when it sends what is not secure
        again = files.create(
            [
                {"name": name, "raw": data, "res_model": "mail.compose.message"}
                for name, data in uploads._secure_files()
            ]
        )
        composers = self.env["mail.compose.message"]
        return composers.create(
            {
                "composition_mode": "mass_mail",
                "model": model,
                "res_ids": json.dumps(ids),
                "subject": self.subject,
                "body": self.body,
                "attachment_ids": again.ids,
                "secure_send": False,
            }
        )

    def _standard_sms(self, model, ids):
        if self.attachment_ids:
            raise UserError(
                self.env._(
                    "An ordinary SMS carries no files. Please remove them, or send "
                    "securely: then they are behind the link."
                )
            )
        text = html2plaintext(
            content.clean_template(self.body), include_references=False
        )
        return self.env["sms.composer"].create(
            {
                "composition_mode": "mass",
                "res_model": model,
                "res_ids": json.dumps(ids),
                "body": text,
                "secure_send": False,
            }
        )
