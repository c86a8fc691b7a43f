"""How a link is followed by another one: asked for on the page, or by staff."""

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..tools.pin_policy import RENEWALS_PER_DAY, RENEWALS_PER_HOUR
from .secure_draft import INTERNAL
from .secure_link import RENEWAL_GRACE

RENEWAL_WINDOWS = {
    "renewal_hour": (RENEWALS_PER_HOUR, timedelta(hours=1)),
    "renewal_day": (RENEWALS_PER_DAY, timedelta(days=1)),
}


class SecureLinkRenewal(models.Model):
    _inherit = "secure.link"

    def _can_ask_renewal(self):
        """Whether the page offers a new link. Depends on nothing a visitor may not
        learn: neither on the address nor on the limits."""
        self.ensure_one()
        grace_ends = self.expires_at + RENEWAL_GRACE
        return self.renewable and fields.Datetime.now() < grace_ends

    def _ask_renewal(self, remote_addr=None):
        """A visitor with a genuine expired link asks for a new one.

        Silent on purpose: the visitor reads the same, whatever happens here.
        """
        self.ensure_one()
        log = self.env["secure.access.log"]
        key = str(self.thread_id.partner_id.id)
        if not self._can_ask_renewal():
            return
        if not self.env["secure.attempt"]._allow(RENEWAL_WINDOWS, key):
            return
        refused = self._renewal_refusal()
        if refused:
            self.thread_id._remind_responsible(refused)
            log._log("renewal_refused", self, remote_addr, detail=refused)
            return
        self._renew()
        log._log("renewed", self, remote_addr)

    def _renewal_refusal(self):
        """Why a visitor gets no new link: a key of the responsible's reminders."""
        if not self._serves(self.thread_id._address_on_file(self.channel)):
            return "moved"
        drafts = self.env["secure.draft"]
        return "refused" if drafts._outbound_problem(self._renewal_draft()) else ""

    def _renew(self, address=None):
        """Issue the next link and let its notification leave.

        :param str address: where to, when staff send it; else where this one went. The
            new link replaces all others once it has left
        :raise UserError: when no link may leave to this contact now
        """
        self.ensure_one()
        refused = {}
        self._renew_each({self: address or self.address}, refused)
        if refused:
            raise UserError(refused[self])

    @api.model
    def _renew_each(self, addresses, refused):
        """:meth:`_renew` for many, in the same few queries.

        :param dict addresses: where each is renewed to, by link
        :param dict refused: takes the reason, by link, for those that may not be
        :return: dict of the new link by old one
        """
        links = self.browse().union(*addresses)
        drafts = dict(zip(links, links._renewal_drafts(), strict=True))
        for link, draft in drafts.items():
            problem = self.env["secure.draft"]._outbound_problem(draft)
            if problem:
                refused[link] = problem
        good = [link for link in links if link not in refused]
        return dict(zip(good, self._issue_next(good, addresses, drafts), strict=True))

    @api.model
    def _issue_next(self, links, addresses, drafts):
        """The next links of these, with their notifications on the way.

        :return: ``secure.link``, in order
        """
        rows = [drafts[link] for link in links]
        if not rows:
            return self.browse()
        for row in rows:
            row["thread"]._tighten(row["pin_rule"])
        notification = self.env["secure.notification"]
        notification._subjects(rows)
        messages = self.env["secure.thread"]._store_messages(rows)
        issued = self._issue(
            [
                {
                    "thread_id": link.thread_id.id,
                    "message_id": message.id,
                    "channel": link.channel,
                    "address": addresses[link],
                    "duration": link.duration,
                    "renewable": link.renewable,
                    "renewal_of_id": link.id,
                }
                for link, message in zip(links, messages, strict=True)
            ]
        )
        notification._queue(rows, messages, issued)
        return issued

    def _renewal_draft(self):
        """The note that stands in the conversation for a new link, as a draft."""
        [draft] = self._renewal_drafts()
        return draft

    def _renewal_drafts(self):
        """:meth:`_renewal_draft` of each, in order."""
        self.thread_id._answering_users()
        model = self.env["secure.draft"]
        drafts = []
        for link in self:
            # sudo: who answers for it; a visitor has no access to users
            user = link.thread_id.sudo().responsible_id
            thread = link.thread_id.with_context(lang=user.lang)
            drafts.append(
                model._complete(
                    {
                        "thread": thread,
                        "direction": INTERNAL,
                        "channel": link.channel,
                        "body": thread.env._("A new link was sent."),
                        "sender": user,
                        "author": user.partner_id,
                    }
                )
            )
        model._note_pin_rules(drafts)
        return drafts
