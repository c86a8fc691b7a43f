from odoo import api, models

from .mail_mail_send import leaving_now


class IrMailServer(models.Model):
    _inherit = "ir.mail_server"

    @api.model
    def _get_default_bounce_address(self):
        """Asked for each email; the same for all of a batch."""
        leaving = leaving_now(self.env)
        if leaving:
            return leaving.default_bounce
        return super()._get_default_bounce_address()

    @api.model
    def _get_default_from_address(self):
        """Asked for each email; the same for all of a batch."""
        leaving = leaving_now(self.env)
        return leaving.default_from if leaving else super()._get_default_from_address()

    @api.model
    def _send_notice(self, email, smtp_session, mail_server):
        """Let one notification leave.

        :param dict email: as of ``_prepare_outgoing_list``
        :param smtp_session: as of ``send_email``
        :param mail_server: ``ir.mail_server``, may be empty
        """
        bounce = email["headers"].get("Return-Path")
        server = self.with_context(send_validated_to=email["email_to_normalized"])
        if bounce:
            server = server.with_context(domain_bounce_address=bounce)
        message = server._build_email__(
            email_from=email["email_from"],
            email_to=email["email_to"],
            subject=email["subject"],
            body=email["body"],
            body_alternative=email["body_alternative"],
            email_cc=email["email_cc"],
            reply_to=email["reply_to"],
            attachments=email["attachments"],
            message_id=email["message_id"],
            references=email["references"],
            subtype="html",
            headers=email["headers"],
        )
        server.send_email(
            message,
            mail_server_id=mail_server and mail_server.id,
            smtp_session=smtp_session,
        )
