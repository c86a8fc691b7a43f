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
    """The public page's addresses: errors in its own words and with its own headers,
    and never with what Odoo would show of them."""

    _inherit = "ir.http"

    @classmethod
    def _dispatch(cls, endpoint):
        if cls._is_secure_page():
            # Odoo hands parameters to its routes by name, beside their `self`
            request.params.pop("self", None)
        return super()._dispatch(endpoint)

    @classmethod
    def _handle_error(cls, exception):
        response = super()._handle_error(exception)
        return cls._secure_error_page(response) if cls._is_secure_page() else response

    @classmethod
    def _is_secure_page(cls):
        return f"{request.httprequest.path}/".startswith(f"{ROOT}/")

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
