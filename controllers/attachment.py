from odoo.http import request, route

from odoo.addons.mail.controllers.attachment import AttachmentController


class SecureAttachmentController(AttachmentController):
    @route()
    def mail_attachment_upload(
        self, ufile, thread_id, thread_model, is_pending=False, **kwargs
    ):
        """Seal what is uploaded in a conversation's chatter as it arrives: Odoo files
        it under its composer, where nobody could tell what it is for."""
        if thread_model == "secure.thread":
            request.update_context(secure_seal_files=True)
        return super().mail_attachment_upload(
            ufile, thread_id, thread_model, is_pending=is_pending, **kwargs
        )
