"""What has come while the page is open: asked for every few seconds by its script."""

from odoo import api, models

from .secure_page import MESSAGES_PER_PAGE

KNOWN_MAX = 2 * MESSAGES_PER_PAGE
"""More marks than this no page has reason to send."""


class SecurePageNews(models.AbstractModel):
    _inherit = "secure.page"

    @api.model
    def _news(self, thread, known):
        """The newest page's messages that a reader does not have yet, or that were
        withdrawn since. Reads the content of those alone.

        :param str known: marks of what the reader has, parted by dots
        :return: ``mail.message`` as superuser, newest first
        """
        known = set(known.split(".", KNOWN_MAX))
        # sudo: for the holder of this thread's grant, checked by the controller
        newest = (
            self.env["mail.message"]
            .sudo()
            .search_fetch(
                self._page_domain(thread),
                ["secure_uid", "secure_withdrawn_date"],
                order="id desc",
                limit=MESSAGES_PER_PAGE,
            )
        )
        return newest.filtered(lambda message: self._message_mark(message) not in known)

    @api.model
    def _render_news(self, messages, thread, address):
        """Their HTML; empty when there is none."""
        if not messages:
            return ""
        rows = self._message_rows(messages, thread, address)
        return self._render("page_news", {}, {"messages": rows})
