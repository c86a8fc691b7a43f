from odoo.exceptions import AccessError
from odoo.http import request, route

from odoo.addons.mail.controllers.thread import ThreadController


class SecureThreadController(ThreadController):
    @route()
    def mail_message_post(
        self, thread_model, thread_id, post_data, context=None, **kwargs
    ):
        """Only staff send securely: Odoo's route takes what portal users post, too, and
        goes on with full rights."""
        env = request.env
        if post_data.get("send_securely") and not env.user._is_internal():
            raise AccessError(env._("Only staff may send secure messages."))
        return super().mail_message_post(
            thread_model, thread_id, post_data, context, **kwargs
        )
