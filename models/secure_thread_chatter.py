"""Odoo's chatter on a conversation: what staff post, and who of them is told."""

from markupsafe import Markup, escape

from odoo import api, models
from odoo.exceptions import AccessError, UserError

from ..tools import content, own_code
from .secure_draft import INTERNAL, OUTBOUND


class SecureThreadChatter(models.Model):
    _inherit = "secure.thread"

    # -- posting ---------------------------------------------------------------

    def message_post(
        self,
        *,
        body="",
        subject=None,
        message_type="notification",
        subtype_xmlid=None,
        subtype_id=False,
        author_id=None,
        partner_ids=None,
        attachments=None,
        attachment_ids=None,
        body_is_html=False,
        **kwargs,
    ):
        """The chatter's road into :meth:`_send`: a comment goes to the contact,
        anything else is a note for the house.

        Odoo's own posting is left aside: it hands the clear text to every kind of
        notification there is.
        """
        self.ensure_one()
        self._check_poster()
        comment = self.env.ref("mail.mt_comment")
        if subtype_xmlid:
            subtype_id = self.env["ir.model.data"]._xmlid_to_res_id(subtype_xmlid)
        outbound = message_type == "comment" and subtype_id == comment.id
        author = self.env.user.partner_id
        if author_id and self.env.uid == api.SUPERUSER_ID:
            author = author.browse(author_id)
        [sent] = self._send(
            [
                {
                    "thread": self,
                    "body": Markup(body) if body_is_html else escape(body),
                    "subject": subject,
                    "direction": OUTBOUND if outbound else INTERNAL,
                    "author": author,
                    "attachments": [(part[0], part[1]) for part in attachments or []],
                    "attachment_ids": attachment_ids or [],
                }
            ]
        )
        self._tell_staff(sent.message, partner_ids or [])
        return sent.message.with_env(self.env)

    def message_notify(self, *, partner_ids=False, **kwargs):
        """Tell colleagues that something is to be done here (Odoo does, of to-dos), and
        nothing of what: whoever calls may have put anything into the text. Clients may
        call this, too, and only in their own name."""
        if not self.env.su:
            self._check_poster()
            kwargs.pop("author_id", None)
            kwargs.pop("email_from", None)
        own = self.with_context(**own_code.MARK)
        neutral = {
            "body": content.PLACEHOLDER,
            "subject": self.display_name if self else False,
            "attachments": None,
            "attachment_ids": None,
        }
        return super(SecureThreadChatter, own).message_notify(
            partner_ids=partner_ids, **{**kwargs, **neutral}
        )

    def _check_poster(self):
        """Only staff who may read the conversation write in it; Odoo's route comes
        here with ``sudo()``."""
        if self.env.uid == api.SUPERUSER_ID:
            return
        if not self._filtered_readable():
            raise AccessError(self.env._("You may not write in this conversation."))

    def _tell_staff(self, message, partner_ids):
        """Notify colleagues as they like to be, without content.

        :param list partner_ids: mentioned ones; those without access are left out
        """
        values = {
            "body": content.PLACEHOLDER,
            "partner_ids": list(partner_ids),
            "author_id": message.author_id.id,
            "message_type": message.message_type,
            "subtype_id": message.subtype_id.id,
            "email_add_signature": False,
        }
        # sudo: Odoo's rows for colleagues, without content; `_notify_get_recipients`
        # leaves out who may not read
        own = self.sudo().with_context(**own_code.MARK)
        own._notify_thread(message.sudo(), values)

    def _tell_responsible(self, message):
        """Tell who answers for the conversation of the contact's reply."""
        self._tell_staff(message, self._answering_user().partner_id.ids)

    # -- Odoo's notification hooks ---------------------------------------------

    def _message_get_suggested_recipients_batch(self, *args, **kwargs):
        """The composer proposes nobody: the contact gets each message as it is, and
        nobody else outside ever does."""
        return {thread.id: [] for thread in self}

    def _notify_get_recipients(self, message, msg_vals=False, **kwargs):
        """Only staff who may read the conversation; the contact is notified by
        :meth:`_send` alone."""
        data = super()._notify_get_recipients(message, msg_vals=msg_vals, **kwargs)
        uids = [
            row["uid"]
            for row in data
            if row["uid"] and row["active"] and not row["share"]
        ]
        # sudo: only to ask as each of them who may read
        users = self.env["res.users"].sudo().browse(uids)
        readers = {
            user.id
            for user in users
            if self.with_user(user).sudo(False).has_access("read")
        }
        return [row for row in data if row["uid"] in readers]

    def _notify_thread_with_out_of_office(self, message, recipients_data, **kwargs):
        """No automatic answer: Odoo's quotes the message."""
        return self.env["mail.message"]

    def _notify_by_email_get_base_mail_values(self, message, recipients_data, **kwargs):
        """Keep the message's own subject, and nobody's address but the recipient's."""
        values = super()._notify_by_email_get_base_mail_values(
            message, recipients_data, **kwargs
        )
        values.pop("subject", None)
        # sudo: the message's own neutral id
        values["references"] = message.sudo().message_id
        return values

    def _notify_by_email_get_headers(self, headers=None):
        headers = super()._notify_by_email_get_headers(headers)
        headers.pop("X-Odoo-Objects", None)
        headers.pop("X-Msg-To-Add", None)
        return headers

    def _message_subscribe(self, partner_ids=None, subtype_ids=None, customer_ids=None):
        """External people never follow a conversation."""
        # sudo: only whether these are colleagues
        partners = self.env["res.partner"].sudo().browse(partner_ids or [])
        internal = partners.filtered(lambda partner: not partner.partner_share)
        return super()._message_subscribe(internal.ids, subtype_ids, customer_ids=[])

    # -- closed roads ----------------------------------------------------------

    @api.model
    def _get_thread_with_access(self, thread_id, *, mode="read", **kwargs):
        """No token, hash or signature opens a conversation."""
        thread = self.browse(thread_id)
        if not self.env.user._is_internal() or not thread.exists():
            return self.browse()
        return thread if thread.sudo(False).has_access(mode) else self.browse()

    def _message_update_content(self, message, /, **kwargs):
        raise UserError(
            self.env._("Secure messages cannot be changed. Please write a new one.")
        )

    def message_change_thread(self, new_thread, new_parent_message=False):
        raise UserError(self.env._("Messages cannot be moved out of a conversation."))

    @api.model
    def message_new(self, msg_dict, custom_values=None):
        raise UserError(self.env._("A conversation cannot be started by email."))
