"""In whose name a send is carried out, and what becomes of it without them."""

from odoo import models
from odoo.exceptions import AccessError

from ..tools import own_code


class SecureDispatchAuthor(models.Model):
    _inherit = "secure.dispatch"

    def _author_problem(self):
        """Why its author cannot send any more: a key of ``STOPS``, or empty. What an
        automation sends has no author."""
        author = self.user_id
        if self.is_automatic and not author:
            return ""
        if not (
            author.active
            and author._is_internal()
            and self.company_id in author.company_ids
        ):
            return "author"
        # Elsewhere whoever may write about the document sends, without the group
        composed = self.origin == "compose"
        if composed and not author.has_group("secure_messaging.group_user"):
            return "right"
        return ""

    def _hold(self):
        """Nothing is sent in the name of who may not send: somebody else decides."""
        user = self.company_id.secure_responsible_id
        self.write(
            {
                "state": "held",
                "stopped": self._author_problem(),
                "responsible_id": user.id,
            }
        )
        self.activity_schedule(
            "mail.mail_activity_data_todo",
            summary=self.with_context(lang=user.lang)._stopped_text(),
            user_id=user.id or self.env.uid,
        )

    def _stopped_text(self):
        """Why it stopped as a whole; empty when it did not."""
        selection = self._fields["stopped"]._description_selection(self.env)
        return dict(selection).get(self.stopped, "")

    def _as_author(self):
        """Rendered with the rights of who wrote it; what an automation sends, with
        those it runs with."""
        user, companies = self.user_id, self.company_id
        if not user and not self.is_automatic:
            raise AccessError(self.env._("The author of this send has left."))
        if not user:
            return self.with_context(
                allowed_company_ids=companies.ids, **own_code.AUTOMATIC
            )
        return self.with_user(user).with_context(
            allowed_company_ids=(companies | user.company_ids).ids,
            lang=user.lang,
            tz=user.tz,
        )
