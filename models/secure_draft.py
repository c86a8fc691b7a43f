"""A message on its way into a conversation, and what keeps it from going there."""

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..tools import content, file_types, limits
from ..tools.keyring import new_uid

OUTBOUND, INBOUND, INTERNAL = "outbound", "inbound", "internal"
DIRECTIONS = [
    (OUTBOUND, "To the contact"),
    (INBOUND, "From the contact"),
    (INTERNAL, "Internal note"),
]


class SecureDraft(models.AbstractModel):
    """Completes and checks the dicts ``secure.thread._send`` works with."""

    _name = "secure.draft"
    _description = "Secure Message Draft"

    @api.model
    def _complete(self, values):
        """Fill in the defaults of one dict of ``secure.thread._send``."""
        thread = values.get("thread") or self.env["secure.thread"]
        company = thread.company_id or values.get("company") or self.env.company
        sender = values.get("sender") or self.env.user
        # sudo: company, sender and contact as the draft needs them; the road that leads
        # here has checked who writes
        return {
            "attachments": [],
            "attachment_ids": [],
            "colleagues": self.env["res.users"],
            "subject": "",
            "channel": thread.channel or "email",
            "pin": False,
            "expiry_hours": int(company.secure_expiry_hours),
            "renewable": True,
            "ask_consent": False,
            "responsible": thread.responsible_id
            or company.secure_responsible_id
            or sender,
            "author": self.env.user.partner_id,
            "res_model": False,
            "res_id": False,
            **values,
            "direction": values.get("direction") or OUTBOUND,
            "started": False,
            "thread": thread,
            "company": company.sudo(),
            "sender": sender.sudo(),
            "partner": (thread.partner_id or values.get("partner")).sudo(),
            "body": content.clean_staff_body(values.get("body")),
            "uid": new_uid(),
        }

    @api.model
    def _check(self, drafts, refused=None):
        """The drafts that may be sent.

        :param dict refused: takes the reason for each of the others, by its place; when
            it is None, one of those refuses the whole batch
        :raise UserError: naming all that is wrong
        """
        self._note_pin_rules([row for row in drafts if row["direction"] == OUTBOUND])
        self._note_sizes(drafts)
        problems = {
            place: problem
            for place, draft in enumerate(drafts)
            if (problem := self._problem(draft))
        }
        if problems and refused is None:
            raise UserError("\n".join(dict.fromkeys(problems.values())))
        self.env["secure.keyring"]._sealing_ring()
        if problems:
            refused.update(problems)
        return [row for place, row in enumerate(drafts) if place not in problems]

    @api.model
    def _problem(self, draft):
        """Why a draft cannot be sent, as text for its sender; empty when it can."""
        if content.is_empty(draft["body"]) and not (
            draft["attachments"] or draft["attachment_ids"]
        ):
            return self.env._("Please write a message, or add a file.")
        if len(draft["body"]) > limits.BODY_MAX_CHARACTERS:
            if content.is_short_without_pictures(draft["body"]):
                return self.env._(
                    "The pictures in this text are too large. Please add them as files."
                )
            return self.env._("This message is too long.")
        too_much = self._files_problem(draft)
        if too_much or draft["direction"] != OUTBOUND:
            return too_much
        return self._outbound_problem(draft)

    @api.model
    def _outbound_problem(self, draft):
        """Why no link may leave to this contact now, with or without a message."""
        company = draft["company"]
        off = company._secure_off_text() or company._secure_consent_problem(
            draft.get("ask_consent")
        )
        if off:
            return off
        if draft["thread"] and not draft["thread"].active:
            return self.env._("This conversation is archived. Nothing was sent.")
        return self._recipient_problem(draft)

    @api.model
    def _recipient_problem(self, draft):
        company, partner = draft["company"], draft["partner"]
        name = partner.display_name
        if not partner.active:
            return self.env._("%(contact)s is archived.", contact=name)
        if partner.company_id and partner.company_id != company:
            return self.env._(
                "%(contact)s belongs to another company than %(company)s.",
                contact=name,
                company=company.display_name,
            )
        if not partner._secure_address(draft["channel"]):
            return partner._secure_address_problem(draft["channel"])
        if not draft["pin_rule"]:
            return self._pin_problem(draft)
        return self._own_pin_problem(draft)

    @api.model
    def _own_pin_problem(self, draft):
        if not draft["pin"]:
            return ""
        try:
            digits = self.env["secure.pin"]._validated(draft["partner"], draft["pin"])
        except UserError as refusal:
            return str(refusal)
        if self.env["secure.notification"]._says(draft, digits):
            return self.env._(
                "This PIN stands in the notification itself, which brings the link. "
                "Please take another."
            )
        return ""

    @api.model
    def _files_problem(self, draft):
        """Which limit of tools/limits.py the files are beyond, as text."""
        files = draft["sizes"]
        try:
            limits.check_files(files)
        except limits.TooMuch as refusal:
            return self._too_much_text(refusal)
        if draft["direction"] == INBOUND and files:
            unwelcome = self._unwelcome_file(draft)
            if unwelcome:
                return self.env._(
                    "%(name)s is of a type we cannot take. Please send documents, "
                    "pictures or a ZIP file.",
                    name=unwelcome,
                )
            used = self._client_bytes_today(draft["thread"])
            if (
                used + sum(size for _name, size in files)
                > limits.CLIENT_FILES_PER_DAY_BYTES
            ):
                return self.env._(
                    "That is all the files we can take today. Please go on tomorrow."
                )
        return ""

    @api.model
    def _unwelcome_file(self, draft):
        """The name of the first file of a type that is not taken from contacts."""
        for name, data in draft["attachments"]:
            name = content.clean_file_name(name)
            if not file_types.is_allowed(name, data):
                return name
        return ""

    @api.model
    def _note_sizes(self, drafts):
        """Set each draft's ``sizes``: (name, bytes) of its files. Uploads are looked at
        once for all drafts that carry the same."""
        seen = {}
        for draft in drafts:
            ids = tuple(draft["attachment_ids"])
            if ids not in seen:
                pending = self.env["ir.attachment"]._secure_pending(ids)
                seen[ids] = [
                    (file._secure_file_name(), file.file_size) for file in pending
                ]
            given = [(name, len(data)) for name, data in draft["attachments"]]
            draft["sizes"] = [*seen[ids], *given]

    @api.model
    def _take_uploads(self, drafts):
        """Turn the sender's uploads into content, opened once for all drafts that carry
        the same, and remove them."""
        files = self.env["ir.attachment"]
        opened = {}
        for draft in drafts:
            ids = tuple(draft["attachment_ids"])
            if ids not in opened:
                opened[ids] = files._secure_pending(ids)._secure_files()
            draft["attachments"] = [*opened[ids], *draft["attachments"]]
        files._secure_pending({id_ for ids in opened for id_ in ids})._secure_shred()

    @api.model
    def _too_much_text(self, refusal):
        if refusal.reason == "count":
            return self.env._(
                "At most %(count)s files go with one message.",
                count=limits.FILES_PER_MESSAGE,
            )
        if refusal.reason == "file":
            size = limits.FILE_MAX_BYTES // limits.MEGABYTE
            return self.env._(
                "%(name)s is larger than %(size)s MB.", name=refusal.name, size=size
            )
        size = limits.MESSAGE_FILES_MAX_BYTES // limits.MEGABYTE
        return self.env._(
            "All files of a message together may have %(size)s MB.", size=size
        )

    @api.model
    def _client_bytes_today(self, thread):
        """Bytes a conversation's contact has sent in files within the last 24 hours."""
        self.env.cr.execute(
            """SELECT COALESCE(SUM(file.file_size), 0)
                 FROM ir_attachment AS file
                 JOIN message_attachment_rel AS rel ON rel.attachment_id = file.id
                 JOIN mail_message AS message ON message.id = rel.message_id
                WHERE file.res_model = 'secure.thread' AND file.res_id = %s
                  AND message.secure_direction = 'inbound'
                  AND message.date > %s""",
            [thread.id, fields.Datetime.now() - timedelta(days=1)],
        )
        return self.env.cr.fetchone()[0]
