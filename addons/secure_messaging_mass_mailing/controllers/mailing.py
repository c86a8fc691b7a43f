from werkzeug.exceptions import NotFound

from odoo.http import request, route

from odoo.addons.mass_mailing.controllers.main import MassMailController


class SecureMailController(MassMailController):
    @route()
    def mailing_view_in_browser(self, mailing_id, **kwargs):
        """The web version would show a secure mailing without link and PIN: the hash it
        asks for is in the notification's unsubscribe link, too."""
        # sudo: only whether the mailing is secure, to whoever asks
        if (
            request.env["mailing.mailing"]
            .sudo()
            .browse(mailing_id)
            .exists()
            .secure_send
        ):
            raise NotFound()
        return super().mailing_view_in_browser(mailing_id, **kwargs)
