from odoo import api, models


class MailRenderMixin(models.AbstractModel):
    """Links of secure mailings are not shortened: Odoo would keep their addresses in
    clear, and fetch them for their titles."""

    _inherit = "mail.render.mixin"

    @api.model
    def _shorten_links(self, html, link_tracker_vals, *args, **kwargs):
        if self._secure_untracked(link_tracker_vals):
            return html
        return super()._shorten_links(html, link_tracker_vals, *args, **kwargs)

    @api.model
    def _shorten_links_text(self, content, link_tracker_vals, *args, **kwargs):
        if self._secure_untracked(link_tracker_vals):
            return content
        return super()._shorten_links_text(content, link_tracker_vals, *args, **kwargs)

    @api.model
    def _secure_untracked(self, link_tracker_vals):
        mailing_id = (link_tracker_vals or {}).get("mass_mailing_id")
        # sudo: only whether the mailing is secure
        return self.env["mailing.mailing"].sudo().browse(mailing_id).secure_send
