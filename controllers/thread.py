from odoo.exceptions import AccessError
from odoo.http import request, route

from odoo.addons.mail.controllers.thread import ThreadController


class SecureThreadController(ThreadController):
    @route()
    def mail_message_post(
        self, thread_model, thread_id, post_data, context=None, **kwargs
    ):
        """Only staff send securely: Odoo's route takes what portal users post, too, and
        goes on with full rights. And of several contacts with one address it takes the
        first; a secure message is not for whoever comes first."""
        env = request.env
        if post_data.get("send_securely"):
            if not env.user._is_internal():
                raise AccessError(env._("Only staff may send secure messages."))
            emails = post_data.get("partner_emails") or []
            found = env["secure.road"]._contacts_of_emails(emails)
            ids = [*(post_data.get("partner_ids") or []), *found.ids]
            post_data = {**post_data, "partner_ids": ids, "partner_emails": []}
        return super().mail_message_post(
            thread_model, thread_id, post_data, context, **kwargs
        )
