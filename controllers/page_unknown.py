"""What lies beside the page's addresses, and what they are not asked for."""

from odoo import http
from odoo.http import request

from ..tools import limits
from .page_answers import PageAnswers


class SecurePageUnknown(PageAnswers, http.Controller):
    @http.route(
        ["/sm", "/sm/<path:rest>"],
        type="http",
        auth="none",
        website=False,
        sitemap=False,
        csrf=False,
        save_session=False,
        readonly=True,
        max_content_length=limits.MEGABYTE,
    )
    def nothing(self, rest="", **_params):
        """Answer as for a link that is none: Odoo's own pages say more, and can be
        kept by browsers."""
        if request.httprequest.method not in ("GET", "HEAD", "POST"):
            return self._only_by("GET", "POST")
        return self._unknown()
