"""C1 and C2: whatever posts or notifies, sent securely when it is asked to be."""

from odoo import models
from odoo.exceptions import UserError
from odoo.fields import Command

from ..tools import log_filter, own_code


class MailThreadPost(models.AbstractModel):
    _inherit = "mail.thread"

    def message_post(self, *, send_securely=False, ask_consent=False, **kwargs):
        """Post on a document, or send securely about it.

        :param bool send_securely: the content goes to the external contacts among
            ``partner_ids``, each in a conversation of their own; colleagues among them
            take part. The document keeps a line that says so, without content
        :param bool ask_consent: where the company leaves open whom it asks
        :return: the message, or that line
        """
        if send_securely:
            return self._secure_post(ask_consent=ask_consent, **kwargs)
        return super().message_post(**self.env["secure.road"]._take_standard(kwargs))

    def message_notify(self, *, send_securely=False, ask_consent=False, **kwargs):
        """Notify of something, or send it securely: see :meth:`message_post`.

        :return: the notification, or the messages in the conversations: none yet of
            what is scheduled
        """
        if not send_securely:
            return super().message_notify(**kwargs)
        model, res_id = kwargs.pop("model", False), kwargs.pop("res_id", False)
        record = self or (self.env[model].browse(res_id) if model and res_id else None)
        if record:
            # Clients may call this, and name any document
            record.check_access(getattr(record, "_mail_post_access", "write"))
        sent = self._secure_send(record, ask_consent=ask_consent, **kwargs)
        messages = self.env["mail.message"]
        if kwargs.get("scheduled_date"):
            return messages
        return messages.union(*(row.message for row in sent))

    def _secure_post(self, subtype_id=False, subtype_xmlid=False, **kwargs):
        self.ensure_one()
        road = self.env["secure.road"]
        note = self.env.ref("mail.mt_note")
        if subtype_xmlid:
            subtype_id = self.env["ir.model.data"]._xmlid_to_res_id(subtype_xmlid)
        if subtype_id == note.id and kwargs.get("message_type") != "sms":
            raise UserError(
                self.env._(
                    "A note stays in the house: it cannot be sent securely. Please "
                    "send a message, or write the note without “Send Securely”."
                )
            )
        sent = self._secure_send(self, **kwargs)
        later = kwargs.get("scheduled_date")
        line = road._line_planned(sent) if later else road._line(sent)
        return super().message_post(body=line, subtype_id=note.id)

    def _secure_send(
        self,
        record,
        *,
        body="",
        subject=None,
        message_type="notification",
        partner_ids=None,
        outgoing_email_to=False,
        attachments=None,
        attachment_ids=None,
        sms_numbers=None,
        sms_pid_to_number=None,
        scheduled_date=False,
        ask_consent=False,
        **_presentation,
    ):
        """Send to every contact among the recipients.

        :param _presentation: how Odoo would lay out and deliver an ordinary message;
            a notification has its own way
        :return: list of ``Sent``; with ``scheduled_date`` the ``secure.dispatch``
        """
        road = self.env["secure.road"]._acting()
        sms = message_type == "sms"
        partners = road.env["res.partner"].browse(partner_ids or [])
        partners.check_access("read")
        contacts, colleagues = road._split(partners)
        if sms:
            contacts |= road._contacts_of_numbers(sms_numbers)
            road._check_numbers(contacts, sms_pid_to_number or {})
        elif outgoing_email_to:
            contacts |= road._contacts_of_emails([outgoing_email_to])
        road._require_contacts(contacts, colleagues)
        files = road.env["ir.attachment"]._secure_take(attachment_ids or [])
        files += [(part[0], part[1]) for part in attachments or []]
        content = {
            "subject": subject,
            "body": road._html(body),
            "channel": "sms" if sms else "email",
            "ask_consent": ask_consent,
        }
        if scheduled_date:
            return self._secure_plan(
                record, contacts, colleagues, files, scheduled_date, content
            )
        rows = [
            {
                **content,
                "record": record,
                "partner": contact,
                "colleagues": colleagues,
                "attachments": files,
            }
            for contact in contacts
        ]
        return road.env["secure.thread"]._send(road._drafts(rows))

    def _secure_plan(self, record, contacts, colleagues, files, when, content):
        """Put a message of a document into the Outbox, for later.

        :return: ``secure.dispatch``
        """
        when = self.env["mail.mail"]._parse_scheduled_datetime(when)
        if not when:
            raise UserError(self.env._("Please give a date and time to send at."))
        when = when.replace(tzinfo=None)
        # A form of our own would ask before; here the sender must be told
        road = self.env["secure.road"]
        rows = [{"record": record, "partner": contact} for contact in contacts]
        whole = {**content, "attachments": files}
        road._check_sendable(road._drafts([{**whole, **row} for row in rows]))
        company = road._document_companies(record).get(record.id) if record else None
        dispatch = self.env["secure.dispatch"]._plan(
            {
                **content,
                "origin": "chatter",
                "is_final": True,
                "res_model": record._name if record else False,
                "company_id": company.id if company else False,
                "participant_ids": [Command.set(colleagues.ids)],
                "files": files,
            },
            [
                {"res_id": record.id if record else False, "partner": contact}
                for contact in contacts
            ],
            scheduled_at=when,
        )
        dispatch._start()
        return dispatch

    def _message_sms_with_template(
        self, template=False, template_xmlid=False, **kwargs
    ):
        used = template
        if not used and template_xmlid:
            used = self.env.ref(template_xmlid, raise_if_not_found=False)
        # sudo: how a template is sent, whoever may use it
        secure = used and used.sudo().send_securely
        if not secure or own_code.is_standard(self.env, used):
            return super()._message_sms_with_template(
                template=template, template_xmlid=template_xmlid, **kwargs
            )
        with log_filter.content_at_work():
            return super()._message_sms_with_template(
                template=template,
                template_xmlid=template_xmlid,
                **{
                    **kwargs,
                    "send_securely": True,
                    # sudo: how a template is sent, whoever may use it
                    "ask_consent": used.sudo().ask_consent,
                },
            )

    # -- what a change of a record sets off ----------------------------------------

    def _message_track_post_template(self, changes):
        own = self.with_context(**own_code.TRACKING)
        return super(MailThreadPost, own)._message_track_post_template(changes)

    def message_post_with_source(self, source_ref, **kwargs):
        """A stage's secure template goes as templates do: what stands in its way is
        listed in the Outbox, and does not keep the stage from changing."""
        tracking = own_code.is_tracking(self.env)
        if tracking and isinstance(source_ref, self.pool["mail.template"]):
            # sudo: how a template is sent, whoever may use it
            if source_ref.sudo().send_securely:
                source_ref._secure_send_batch(self.ids)
                return self.env["mail.message"]
        return super().message_post_with_source(source_ref, **kwargs)

    def _get_allowed_message_params(self):
        return super()._get_allowed_message_params() | {
            "ask_consent",
            "send_securely",
        }
