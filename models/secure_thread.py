from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import groupby

from ..tools.keyring import Purpose, new_uid
from .sealed_fields import SealedColumn

PIN_RULES = [
    ("none", "No PIN"),
    ("default", "Company default PIN"),
    ("field", "Field of the contact"),
    ("code", "One-time code"),
    ("contact", "Contact's PIN"),
    ("message", "PIN of this conversation"),
]
"""From loose to strict: a conversation's rule only ever moves down this list."""
STRICTNESS = {rule: index for index, (rule, _label) in enumerate(PIN_RULES)}

STAFF_FIELDS = frozenset({"channel", "participant_ids", "responsible_id", "state"})
"""What staff may change of a conversation they read."""


class SecureThread(models.Model):
    """A private exchange between the company and one contact."""

    _name = "secure.thread"
    _description = "Secure Conversation"
    _inherit = ["mail.thread", "mail.activity.mixin", "secure.log.chain"]
    _order = "last_message_date desc, id desc"
    _mail_post_access = "read"
    _rec_names_search = ["name", "partner_id"]

    name = fields.Char(
        "Reference", required=True, readonly=True, copy=False, index=True
    )
    active = fields.Boolean(default=True)
    secure_uid = fields.Char(
        required=True,
        copy=False,
        groups=fields.NO_ACCESS,
        default=lambda self: new_uid(),
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True
    )
    partner_id = fields.Many2one(
        "res.partner", "Contact", ondelete="restrict", readonly=True, index=True
    )
    participant_ids = fields.Many2many(
        "res.users", string="Participants", domain=[("share", "=", False)]
    )
    res_model = fields.Char("Document Model", readonly=True)
    res_id = fields.Many2oneReference(
        "Document", model_field="res_model", readonly=True
    )
    subject_sealed = SealedColumn(sealed_place="subject")
    subject = fields.Char(compute="_compute_subject")
    responsible_id = fields.Many2one(
        "res.users", index=True, domain=[("share", "=", False)]
    )
    state = fields.Selection(
        [("open", "Open"), ("closed", "Closed")], required=True, default="open"
    )
    channel = fields.Selection(
        [("email", "Email"), ("sms", "SMS")], required=True, default="email"
    )
    pin_rule = fields.Selection(PIN_RULES, required=True, default="none", readonly=True)
    staff_unread_count = fields.Integer("Unread Replies", readonly=True, default=0)
    last_message_date = fields.Datetime(readonly=True, index=True)
    link_ids = fields.One2many("secure.link", "thread_id", "Links", readonly=True)

    _document_unique = models.UniqueIndex(
        "(company_id, partner_id, res_model, res_id) "
        "WHERE res_id IS NOT NULL AND pin_rule <> 'message' AND active "
        "AND apart IS NOT TRUE",
        "There is another conversation with this contact about the same document.",
    )
    _document_index = models.Index("(res_model, res_id) WHERE res_id IS NOT NULL")

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su:
            raise AccessError(self.env._("Conversations start with a secure message."))
        vals_list = [dict(vals) for vals in vals_list]
        for company_id, group in groupby(vals_list, lambda vals: vals["company_id"]):
            references = self._next_references(company_id, len(group))
            for vals, reference in zip(group, references, strict=True):
                vals["name"] = reference
                uid = vals.setdefault("secure_uid", new_uid())
                vals["log_tip"] = self._first_log_tip(uid)
        context = {
            "mail_create_nolog": True,
            "mail_create_nosubscribe": True,
            "tracking_disable": True,
        }
        return super(SecureThread, self.with_context(**context)).create(vals_list)

    @api.model
    def _next_references(self, company_id, count):
        """Neutral references, in one query for a whole batch."""
        # sudo: which comes next; writers and visitors have no right to sequences
        sequences = self.env["ir.sequence"].sudo()
        sequence = sequences.search(
            [
                ("code", "=", "secure.thread"),
                ("company_id", "in", [company_id, False]),
            ],
            order="company_id",
            limit=1,
        )
        if sequence.implementation != "standard" or sequence.use_date_range:
            return [sequence.next_by_id() for _number in range(count)]
        # What `get_next_char` does, with the dates in it worked out once
        prefix, suffix = sequence._get_prefix_suffix()
        self.env.cr.execute(
            "SELECT nextval(%s) FROM generate_series(1, %s)",
            [f"ir_sequence_{sequence.id:03d}", count],
        )
        return [
            f"{prefix}{number:0{sequence.padding}d}{suffix}"
            for (number,) in self.env.cr.fetchall()
        ]

    def write(self, vals):
        """Staff assign, invite, close and choose how to notify; the rest is decided by
        what is sent and cannot be loosened afterwards."""
        if not self.env.su and vals.keys() - STAFF_FIELDS:
            raise AccessError(self.env._("This cannot be changed on a conversation."))
        return super().write(vals)

    def copy(self, default=None):  # pylint: disable=method-required-super
        raise UserError(self.env._("A conversation cannot be copied."))

    # -- who reads -------------------------------------------------------------

    def _filtered_readable(self):
        """Those whose content the current user may see in clear.

        Asked of the user who is really there: neither ``sudo()`` nor anything in the
        context opens a conversation, and the system user is no reader.
        """
        env = self.env
        user = env.user
        if env.uid == api.SUPERUSER_ID or not user._is_internal():
            return self.browse()
        return self.sudo(False)._filtered_access("read").with_env(env)

    @api.depends_context("uid")
    def _compute_subject(self):
        readable = self._filtered_readable()
        if self.env["secure.keyring"]._status()["problem"]:
            readable = self.browse()
        for thread in self:
            thread.subject = thread._open_subject() if thread in readable else False

    def _open_subject(self):
        """The clear subject. Whoever calls has checked who will read it."""
        # sudo: the column is for nobody; the caller has checked who reads
        thread = self.sudo()
        if not thread.subject_sealed:
            return ""
        place = ("secure.thread", thread.secure_uid, "subject")
        return self.env["secure.keyring"]._open(
            Purpose.CONTENT, place, thread.subject_sealed
        )

    # -- PIN -------------------------------------------------------------------

    def _effective_rule(self):
        """The rule that holds now: the thread's, or stricter since the contact got a
        PIN of their own."""
        # sudo: the rule, not the PIN
        rule = self.sudo().pin_rule
        if rule in ("contact", "message"):
            return rule
        return self.env["secure.pin"]._for(self)[0]

    def _pin_state(self):
        """What is asked now, as text: when it changes, open doors close."""
        pins = self.env["secure.pin"]
        rule, pin = pins._for(self)
        return f"{rule}:{pin.id or 0}:{pin.generation or 0}{pins._mark(self, rule)}"

    def _tighten(self, rule):
        """Raise the PIN rule of threads to ``rule``, never lower it."""
        looser = self.filtered(
            lambda thread: STRICTNESS[thread.pin_rule] < STRICTNESS[rule]
        )
        looser.write({"pin_rule": rule})

    # -- address -----------------------------------------------------------------

    def _address_on_file(self, channel):
        # sudo: to compare, or to send to; not shown
        return self.sudo().partner_id._secure_address(channel)

    # -- life --------------------------------------------------------------------

    def _mark_read_by_staff(self):
        # sudo: a counter; both callers ask who may read
        self.filtered("staff_unread_count").sudo().write({"staff_unread_count": 0})

    def _answering_user(self):
        """Who answers for the conversation: the responsible, or the company's default
        from the day that person has left or may not read it any more."""
        self.ensure_one()
        self._answering_users()
        # sudo: who answers: the one who is told
        return self.sudo().responsible_id

    def _answering_users(self):
        """Like :meth:`_answering_user`, for many: put them in charge."""
        # sudo: whoever causes it; each is asked as themselves whether they may read
        for user, threads in self.sudo().grouped("responsible_id").items():
            own = threads.with_user(user).sudo(False)
            fit = own._filtered_access("read") if user.active else own.browse()
            for company, left in (threads - fit).grouped("company_id").items():
                left.responsible_id = company.secure_responsible_id

    def _remind_responsible(self, reason):
        """Put a to-do on the responsible's list, once while it is open.

        :param str reason: a key of :meth:`_reminder_texts`
        """
        # sudo: the system's own to-do, without content, whoever causes it
        for thread in self.sudo():
            user = thread._answering_user()
            # Here and not at the caller, whose language is the visitor's
            texts = thread.with_context(lang=user.lang)._reminder_texts()
            if texts[reason] in thread.activity_ids.mapped("summary"):
                continue
            thread.activity_schedule(
                "mail.mail_activity_data_todo", summary=texts[reason], user_id=user.id
            )

    def _reminder_texts(self):
        return {
            "address": self.env._(
                "Too many wrong PINs from one place: locked there for 30 minutes"
            ),
            "link": self.env._("Too many wrong PINs: link locked for 30 minutes"),
            "ended": self.env._("Too many wrong PINs: the link ended, send a new one"),
            "contact": self.env._("Too many wrong PINs: locked until you unlock it"),
            "refused": self.env._(
                "The contact asked for a new link, which may not be sent now"
            ),
            "moved": self.env._(
                "The contact asked for a new link, but the address has changed"
            ),
            "merged": self.env._(
                "Contacts were merged and their PINs removed: set a new one"
            ),
        }

    def action_resend(self):
        """Send a new link; it replaces the others once it has left."""
        self.check_access("write")
        # sudo: links and contact of conversations the user may write to
        for thread in self.sudo():
            last = thread.link_ids.sorted("id")[-1:]
            if not last:
                raise UserError(
                    self.env._("There is no link to renew in this conversation.")
                )
            address = thread._address_on_file(last.channel)
            if not address:
                raise UserError(thread.partner_id._secure_address_problem(last.channel))
            last._renew(address)

    def action_revoke(self):
        """Withdraw all links: whoever holds one reads that it was withdrawn."""
        self.check_access("write")
        # sudo: the links of conversations the user may write to
        withdrawn = self.sudo().link_ids._revoke()
        withdrawn.thread_id._note_withdrawn()

    def action_unlock(self):
        """Give the contact a fresh budget of wrong PINs."""
        self.check_access("write")
        # sudo: the links of conversations the current user may write to
        self.env["secure.attempt"]._forgive(self.partner_id, self.sudo().link_ids)
        self.env["secure.access.log"]._log("unlocked", self)
        self._tell_others("unlocked")

    def action_close(self):
        self.write({"state": "closed"})

    def action_reopen(self):
        self.write({"state": "open"})

    def action_open_log(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Log of %(reference)s", reference=self.name),
            "res_model": "secure.access.log",
            "view_mode": "list,form",
            "domain": [("thread_id", "=", self.id)],
            "context": {"secure_log_of_thread": True},
        }
