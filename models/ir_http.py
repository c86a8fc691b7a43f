from odoo import SUPERUSER_ID, models
from odoo.http import request

from ..tools.page_headers import HEADERS

ROOT = "/sm"
BROKEN = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Secure message</title></head>
<body><h1>This did not work</h1><p>Please try again in a few minutes.</p></body></html>
"""
"""Without database, template or language: any of them may be what is broken."""


class IrHttp(models.AbstractModel):
    """Errors at the public page's addresses: in its own words and with its own headers,
    and never with what Odoo would show of them."""

    _inherit = "ir.http"

    @classmethod
    def _handle_error(cls, exception):
        response = super()._handle_error(exception)
        if f"{request.httprequest.path}/".startswith(f"{ROOT}/"):
            return cls._secure_error_page(response)
        return response

    @classmethod
    def _secure_error_page(cls, response):
        status = getattr(response, "code", None) or response.status_code
        if status < 400:
            return response
        html = BROKEN
        if status < 500:
            # sudo: visitors have no rights at all; nothing is shown but a few words
            env = request.env(user=SUPERUSER_ID, su=True)
            html = env["secure.page"]._error(status)
        return request.make_response(html, headers=HEADERS, status=status)
