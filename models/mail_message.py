from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import AccessError

from ..tools import content, own_code
from ..tools.keyring import Purpose, new_uid
from .secure_draft import DIRECTIONS

PROTECTED_FIELDS = frozenset(
    {
        "attachment_ids",
        "author_id",
        "body",
        "email_from",
        "message_id",
        "message_type",
        "model",
        "res_id",
        "secure_body",
        "secure_direction",
        "secure_subject",
        "secure_uid",
        "subject",
        "subtype_id",
    }
)
"""What nobody changes of a secure message once it is stored."""


class MailMessage(models.Model):
    """Messages of a secure conversation: sealed columns, a placeholder for the rest."""

    _inherit = "mail.message"

    secure_uid = fields.Char(copy=False, groups=fields.NO_ACCESS)
    secure_body = fields.Text(copy=False, groups=fields.NO_ACCESS, prefetch=False)
    secure_subject = fields.Text(copy=False, groups=fields.NO_ACCESS, prefetch=False)
    secure_direction = fields.Selection(DIRECTIONS, copy=False, groups=fields.NO_ACCESS)
    secure_seen_date = fields.Datetime(copy=False, groups=fields.NO_ACCESS)

    # -- writing ---------------------------------------------------------------

    @api.model
    def _secure_create(self, values_list):
        """Create messages that ``secure.thread._send`` has sealed."""
        own = self.sudo().with_context(**{own_code.KEY: own_code.OWN_CODE})
        return own.create(values_list).with_env(self.env)

    def _secure_write(self, values):
        """Change secure columns, from this module's own code."""
        own = self.sudo().with_context(**{own_code.KEY: own_code.OWN_CODE})
        return own.write(values)

    @api.model_create_multi
    def create(self, vals_list):
        """Seal what Odoo's own code posts in a conversation by other ways (tracking,
        activities, logs): before the INSERT, so that it never stands in clear."""
        if not own_code.is_own(self.env):
            vals_list = [self._sealed_values(vals) for vals in vals_list]
        return super().create(vals_list)

    def write(self, vals):
        """Refuse changes to secure messages: who was notified may write by RPC."""
        if PROTECTED_FIELDS & vals.keys() and not own_code.is_own(self.env):
            self.check_access("write")
            vals = self._without_unchanged(vals)
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_secure(self):
        """Nobody takes a message out of a conversation; withdrawing closes it."""
        if self.env.uid == api.SUPERUSER_ID:
            return
        if self.sudo().with_context(prefetch_fields=False).filtered("secure_uid"):
            raise AccessError(self.env._("Secure messages cannot be deleted."))

    def _without_unchanged(self, vals):
        """``vals`` without what a secure message holds already.

        Odoo writes a message's own values back through ``mail.mail``.

        :raise AccessError: when something protected would change
        """
        # sudo: access was checked by the caller; prefetching would fill the shared
        # cache with what later reads must check
        secure = self.sudo().with_context(prefetch_fields=False).filtered("secure_uid")
        if vals.get("model") == "secure.thread" and secure != self.sudo():
            raise AccessError(
                self.env._("Messages cannot be moved into a conversation.")
            )
        if not secure:
            return vals
        names = PROTECTED_FIELDS & vals.keys()
        for name in names:
            field = self._fields[name]
            for message in secure:
                new = field.convert_to_cache(vals[name], message)
                if field.convert_to_record(new, message) != message[name]:
                    raise AccessError(self.env._("Secure messages cannot be changed."))
        return {key: value for key, value in vals.items() if key not in names}

    @api.model
    def _sealed_values(self, vals):
        if vals.get("model") != "secure.thread" or vals.get("secure_uid"):
            return vals
        vals = dict(vals)
        body = content.clean_staff_body(vals.get("body"))
        draft = {"uid": new_uid(), "body": body, "subject": vals.get("subject")}
        if not content.is_empty(body):
            vals.update(self.env["secure.thread"]._sealed_content(draft))
            vals.update(secure_uid=draft["uid"], secure_direction="internal")
            vals.update(body=content.PLACEHOLDER, subject=False)
        return vals

    # -- reading ---------------------------------------------------------------

    def _secure_clear(self):
        """The clear content. Whoever calls has checked who will read it.

        :return: dict by message id of dicts ``body`` (Markup) and ``subject`` (str)
        """
        secure = self.sudo().filtered("secure_uid")
        secure.fetch(["secure_body", "secure_subject"])
        return {message.id: message._open_content() for message in secure}

    def _open_content(self):
        open_ = self.env["secure.keyring"]._open
        place = ("mail.message", self.secure_uid)
        body = open_(Purpose.CONTENT, (*place, "body"), self.secure_body)
        subject = ""
        if self.secure_subject:
            subject = open_(Purpose.CONTENT, (*place, "subject"), self.secure_subject)
        return {"body": Markup(body), "subject": subject}

    def _secure_readable(self):
        """Secure messages among these whose clear content the current user may see."""
        own = self.filtered(lambda message: message.model == "secure.thread")
        threads = self.env["secure.thread"].browse(own.mapped("res_id"))
        readable = set(threads._filtered_readable().ids)
        return own.filtered(lambda message: message.res_id in readable)

    def _to_store(self, store, fields, **kwargs):
        """Show the clear text to who may read the conversation.

        Only in the answer to that user's own request: a store with a channel is
        written to the bus table, and stays with the placeholder.
        """
        wants_body = "body" in fields
        super()._to_store(store, fields, **kwargs)
        target = store.target
        broadcast = target.channel is not None or target.subchannel is not None
        readable = self.browse() if broadcast else self._secure_readable()
        if not wants_body or not readable:
            return
        if self.env["secure.keyring"]._status()["problem"]:
            return
        clear = readable._secure_clear()
        for message in readable.filtered(lambda record: record.id in clear):
            text = clear[message.id]
            subject = text["subject"] or False
            store.add_records_fields(
                message, {"body": text["body"], "subject": subject}
            )
