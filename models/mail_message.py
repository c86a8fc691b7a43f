from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import AccessError

from ..tools import content, own_code
from ..tools.keyring import Purpose, new_uid
from .sealed_fields import SealedColumn
from .secure_draft import DIRECTIONS

FREE_FIELDS = frozenset(
    {
        "message_link_preview_ids",
        "notification_ids",
        "pinned_at",
        "reaction_ids",
        "starred_partner_ids",
    }
)
"""All that changes of a secure message once it is stored: marks and Odoo's statuses."""


class MailMessage(models.Model):
    """Messages of a secure conversation: sealed columns, a placeholder for the rest."""

    _inherit = "mail.message"

    secure_uid = fields.Char(copy=False, groups=fields.NO_ACCESS)
    secure_body = SealedColumn(sealed_place="body")
    secure_subject = SealedColumn(sealed_place="subject")
    secure_direction = fields.Selection(DIRECTIONS, copy=False, groups=fields.NO_ACCESS)
    secure_thread_id = fields.Many2one(
        "secure.thread",
        copy=False,
        groups=fields.NO_ACCESS,
        ondelete="set null",
        index="btree_not_null",
        help="The conversation that a notification in a document's chatter leads to.",
    )
    secure_seen_date = fields.Datetime(copy=False, groups=fields.NO_ACCESS)
    secure_withdrawn_date = fields.Datetime(copy=False, groups=fields.NO_ACCESS)

    # -- writing ---------------------------------------------------------------

    @api.model
    def _secure_create(self, values_list):
        """Create messages that ``secure.thread._send`` has sealed."""
        # sudo: the columns are for nobody; the roads to `_send` check who writes
        own = self.sudo().with_context(**own_code.MARK)
        return own.create(values_list).with_env(self.env)

    def _secure_write(self, values):
        """Change secure columns, from this module's own code."""
        # sudo: the columns are for nobody; the page has checked the grant
        own = self.sudo().with_context(**own_code.MARK)
        return own.write(values)

    @api.model_create_multi
    def create(self, vals_list):
        """Seal what Odoo's own code posts in a conversation by other ways (tracking,
        activities, logs): before the INSERT, so that it never stands in clear."""
        if own_code.is_own(self.env):
            return super().create(vals_list)
        ours = [self._vals_model(vals) == "secure.thread" for vals in vals_list]
        if not any(ours):
            return super().create(vals_list)
        inside = [vals for vals, flag in zip(vals_list, ours, strict=True) if flag]
        rest = [vals for vals, flag in zip(vals_list, ours, strict=True) if not flag]
        self._check_may_post(inside)
        # sudo: the sealed columns are for nobody; who may post was checked above
        made = super(MailMessage, self.sudo()).create(
            [self._sealed_values(vals) for vals in inside]
        )
        made = iter(made.ids), iter(super().create(rest).ids if rest else [])
        return self.browse([next(made[0 if flag else 1]) for flag in ours])

    @api.model
    def _vals_model(self, vals):
        """Which model new values are for; a client may say so in the context."""
        return vals.get("model", self.env.context.get("default_model"))

    @api.model
    def _check_may_post(self, vals_list):
        if self.env.uid == api.SUPERUSER_ID:
            return
        if not self.env.su:
            # Odoo's own code comes with `sudo()`, clients never do
            raise AccessError(
                self.env._("Please write in the conversation, not in its messages.")
            )
        default = self.env.context.get("default_res_id")
        ids = {vals.get("res_id", default) for vals in vals_list}
        threads = self.env["secure.thread"].browse(filter(None, ids))
        threads.sudo(False).check_access("read")

    def write(self, vals):
        """Refuse changes to secure messages: who was notified may write by RPC."""
        if vals.keys() - FREE_FIELDS and not own_code.is_own(self.env):
            self.check_access("write")
            vals = self._without_unchanged(vals)
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_secure(self):
        """Nobody takes a message out of a conversation; withdrawing closes it."""
        if self.env.uid == api.SUPERUSER_ID:
            return
        # sudo: only which are secure; Odoo has checked that the user may delete
        if self.sudo().with_context(prefetch_fields=False).filtered("secure_uid"):
            raise AccessError(self.env._("Secure messages cannot be deleted."))

    def _without_unchanged(self, vals):
        """``vals`` without what a secure message holds already.

        Odoo writes a message's own values back through ``mail.mail``.

        :raise AccessError: when something protected would change
        """
        # sudo: access was checked by the caller; prefetching would fill the shared
        # cache with what later reads must check
        apart = self.sudo().with_context(prefetch_fields=False)
        secure = apart.filtered(lambda message: message.model == "secure.thread")
        if vals.get("model") == "secure.thread" and secure != self.sudo():
            raise AccessError(
                self.env._("Messages cannot be moved into a conversation.")
            )
        if not secure:
            return vals
        names = (vals.keys() - FREE_FIELDS) & self._fields.keys()
        for name in names:
            field = self._fields[name]
            for message in secure:
                new = field.convert_to_cache(vals[name], message)
                if field.convert_to_record(new, message) != message[name]:
                    raise AccessError(self.env._("Secure messages cannot be changed."))
        return {key: value for key, value in vals.items() if key not in names}

    @api.model
    def _sealed_values(self, vals):
        body = content.clean_staff_body(vals.get("body"))
        draft = {"uid": new_uid(), "body": body, "subject": vals.get("subject")}
        return {
            **vals,
            **self._true_origin(),
            **self.env["secure.thread"]._sealed_content(draft),
            "model": "secure.thread",
            "res_id": vals.get("res_id", self.env.context.get("default_res_id")),
            "secure_uid": draft["uid"],
            "secure_direction": "internal",
            "body": "" if content.is_empty(body) else content.PLACEHOLDER,
            "subject": False,
        }

    @api.model
    def _true_origin(self):
        """Whoever acts is named, now, whatever the caller says: the conversation is to
        prove who wrote what. Only the system writes in the name of others."""
        if self.env.uid == api.SUPERUSER_ID:
            return {}
        # sudo: their own name; a visitor has no access to it
        author = self.env.user.sudo().partner_id
        return {
            "author_id": author.id,
            "author_guest_id": False,
            "email_from": author.email_formatted,
            "date": fields.Datetime.now(),
        }

    # -- reading ---------------------------------------------------------------

    def _secure_clear(self):
        """The clear content. Whoever calls has checked who will read it.

        :return: dict by message id of dicts ``body`` (Markup) and ``subject`` (str)
        """
        # sudo: the columns are for nobody; the caller has checked who reads
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
