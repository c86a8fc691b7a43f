"""How a send is carried out and noted, whichever road it takes."""

from odoo import api, models
from odoo.tools.misc import clean_context

from .secure_keyring import KeysUnavailable
from .secure_thread_send import Sent

ROW_KEYS = frozenset({"later", "line", "problem"})
"""What rows hold besides the values of ``secure.thread._send``."""


class SecureDispatchSend(models.Model):
    _inherit = "secure.dispatch"

    @api.model
    def _begin(self, values):
        """Note a send that is about to happen.

        :param dict values: ``origin``, ``channel`` and what else is known of it
        :return: ``secure.dispatch``, as superuser
        """
        road = self.env["secure.road"]
        sender = road._sender()
        company = values.get("company_id") or self.env.company.id
        # sudo: settings of the company that sends
        settings = self.env["res.company"].sudo().browse(company)
        responsible = sender or settings.secure_responsible_id
        # Defaults in the context are meant for the form this comes from
        context = clean_context(self.env.context)
        # sudo: sends are made by sending only, and by whoever sends
        # pylint: disable-next=context-overridden
        clean = self.sudo().with_context(context)
        return clean.create(
            {
                "expiry_hours": settings.secure_expiry_hours,
                **values,
                "user_id": sender.id,
                "is_automatic": not sender,
                "responsible_id": values.get("responsible_id") or responsible.id,
                "company_id": company,
            }
        )

    def _deliver(self, rows, notify=True, leave=True):
        """Send rows, and note for each what became of it.

        :param list rows: dicts of what ``secure.thread._send`` takes, with ``record``
            and ``res_id`` of the document; ``problem`` where nothing can be sent;
            ``line``, when the recipient has one already. Gets ``problem`` where a
            recipient was refused
        :return: list of ``Sent``, in order; of empty records where there is a problem
        """
        places = [place for place, row in enumerate(rows) if not row.get("problem")]
        drafts = self.env["secure.road"]._drafts(
            [
                {
                    key: value
                    for key, value in rows[place].items()
                    if key not in ROW_KEYS
                }
                for place in places
            ]
        )
        refused = {}
        threads = self.env["secure.thread"]
        try:
            sent = threads._send(drafts, notify, leave, refused) if drafts else []
        except KeysUnavailable as locked:
            # Whatever set this off goes on; it can be tried again with the key
            refused = dict.fromkeys(range(len(drafts)), str(locked))
            sent = [self._nothing()] * len(drafts)
        results = [self._nothing()] * len(rows)
        for number, place in enumerate(places):
            results[place] = sent[number]
            if number in refused:
                rows[place]["problem"] = refused[number]
        self._note_lines(rows, results)
        return results

    @api.model
    def _nothing(self):
        env = self.env
        return Sent(env["secure.thread"], env["mail.message"], env["secure.link"])

    def _note_lines(self, rows, results):
        """Write down what became of each row, in two statements for all."""
        made = []
        for row, done in zip(rows, results, strict=True):
            values = {
                "state": "sent" if done.message else "failed",
                "reason": row.get("problem") or False,
                "thread_id": done.thread.id,
                "message_id": done.message.id,
                "link_id": done.link.id,
            }
            if row.get("line"):
                row["line"].write(values)
                continue
            partner = row.get("partner")
            values["partner_id"] = partner.id if partner else False
            made.append({**values, "dispatch_id": self.id, "res_id": row.get("res_id")})
        # sudo: lines are made by sending only
        self.env["secure.dispatch.line"].sudo().create(made)

    def _finish(self):
        """Say how a send ended, and tell who answers for it what failed."""
        counts = self._count_lines()
        for dispatch in self:
            found = counts.get(dispatch.id, {})
            if found.get("waiting"):
                continue
            failed = found.get("failed", 0)
            dispatch.state = "failed" if failed else "sent"
            if not failed:
                dispatch._forget_pin()
            if failed and dispatch.responsible_id:
                dispatch._remind(failed)

    def _remind(self, failed):
        """One to-do for the failures of a send, however often it is tried."""
        user = self.responsible_id
        spoken = self.with_context(lang=user.lang)
        text = spoken._stopped_text()
        text = text or spoken.env._("A send stopped before it had recipients")
        if failed:
            text = spoken.env._("Recipients not sent to: %(count)s", count=failed)
        self.activity_ids.filtered("automated").unlink()
        self.activity_schedule(
            "mail.mail_activity_data_todo", summary=text, user_id=user.id
        )

    def _outgoing_mails(self):
        """The notifications of a send that wait in Odoo's queue."""
        messages = self.line_ids.message_id
        return messages.mail_ids.filtered(lambda mail: mail.state == "outgoing")
