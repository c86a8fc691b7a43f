from odoo.http import request, route

from odoo.addons.mail.controllers.attachment import AttachmentController


class SecureAttachmentController(AttachmentController):
    @route()
    def mail_attachment_upload(
        self, ufile, thread_id, thread_model, is_pending=False, secure=False, **kwargs
    ):
        """Seal what is uploaded for a secure message as it arrives: Odoo files it under
        its composer, where nobody could tell what it is for.

        :param secure: set by a composer of staff whose “Send Securely” is on. It only
            adds protection
        """
        asked = secure and request.env.user._is_internal()
        if thread_model == "secure.thread" or asked:
            request.update_context(secure_seal_files=True)
        return super().mail_attachment_upload(
            ufile, thread_id, thread_model, is_pending=is_pending, **kwargs
        )
