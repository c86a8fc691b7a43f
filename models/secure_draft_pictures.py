"""Pictures that a text shows from Odoo's own addresses: taken along, into the text.

The page loads nothing by such an address, and no picture is made public for its sake.
So it becomes part of the text, which is sealed.
"""

import base64
import re
from collections import defaultdict
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

from odoo import SUPERUSER_ID, api, models
from odoo.exceptions import AccessError, MissingError, UserError
from odoo.tools import file_open
from odoo.tools.image import image_process
from odoo.tools.mimetypes import guess_mimetype

from ..tools import content, limits
from .secure_draft import OUTBOUND

BY_ID = re.compile(r"/web/(?:image|content)/(?P<id>\d+)(?:-\w+)?(?:/.*)?")
BY_FIELD = re.compile(
    r"/web/(?:image|content)/(?P<model>[a-z_.]+)/(?P<id>\d+)(?:-\w+)?"
    r"/(?P<field>\w+)(?:/.*)?"
)
BY_FILE = re.compile(r"/\w+/static/[\w/.-]+")
LOGOS = frozenset({"/logo", "/logo.png", "/web/binary/company_logo"})
NOT_THERE = (AccessError, KeyError, MissingError, OSError, UserError, ValueError)


class SecureDraftPictures(models.AbstractModel):
    _inherit = "secure.draft"

    @api.model
    def _embed_pictures(self, drafts):
        """Put into each text to a contact the pictures it shows: those that its sender
        may read, each read once for all drafts. In the place of any other stands that
        there was one.
        """
        found = defaultdict(dict)
        for draft in drafts:
            if draft["direction"] == OUTBOUND:
                company = draft["company"]
                draft["body"] = self._with_pictures(
                    draft["body"], company, draft["partner"].lang, found[company]
                )

    @api.model
    def _with_pictures(self, body, company, lang, found=None):
        """:param dict found: data URIs by address, as far as looked for"""
        if "<img" not in body:
            return body
        found = {} if found is None else found
        room = limits.LINKED_PICTURES_MAX_BYTES

        def picture(source):
            nonlocal room
            if source not in found:
                found[source] = self._picture(source, company)
            room -= len(found[source])
            return found[source] if room >= 0 else ""

        spoken = self.with_context(lang=lang)
        return content.with_pictures(
            body, picture, spoken.env._("(A picture was left out here)")
        )

    @api.model
    def _picture(self, source, company):
        """The picture behind one of Odoo's addresses, as data URI; empty when there is
        none that may be shown."""
        data = b""
        with suppress(*NOT_THERE):
            data = self._picture_data(source, company)
        if len(data) > limits.LINKED_PICTURE_BYTES:
            with suppress(*NOT_THERE):
                size = (limits.LINKED_PICTURE_SIDE, limits.LINKED_PICTURE_SIDE)
                data = image_process(
                    data, size=size, verify_resolution=True, quality=80
                )
        mimetype = guess_mimetype(data) if data else ""
        if mimetype not in content.PICTURE_TYPES:
            return ""
        return f"data:{mimetype};base64,{base64.b64encode(data).decode()}"

    @api.model
    def _picture_data(self, source, company):
        address = urlsplit(source)
        base = urlsplit(company.get_base_url()).netloc
        if address.netloc not in ("", base):
            return b""
        query = parse_qs(address.query)
        if address.path in LOGOS:
            return self._logo(query, company)
        if BY_FILE.fullmatch(address.path):
            with file_open(address.path[1:], "rb") as stream:
                return stream.read()
        match = BY_ID.fullmatch(address.path) or BY_FIELD.fullmatch(address.path)
        return self._stored_picture(match, query) if match else b""

    @api.model
    def _stored_picture(self, match, query):
        """What Odoo itself would show this user at an address."""
        named = {"model": "ir.attachment", "field": "raw", **match.groupdict()}
        # Not with the rights of whatever sends: with those of who it sends for. OdooBot
        # may read all there is: what it sends by itself shows what anybody may see.
        binaries = self.env["ir.binary"].sudo(False)
        if self.env.uid == SUPERUSER_ID:
            binaries = binaries.with_user(self.env.ref("base.public_user"))
        record = binaries._find_record(
            res_model=named["model"],
            res_id=int(named["id"]),
            access_token=query.get("access_token", [None])[0],
            field=named["field"],
        )
        if record._name != "ir.attachment":
            if record._fields[named["field"]].type != "binary":
                return b""
            return base64.b64decode(record[named["field"]] or b"")
        if not record._secure_among():
            return record.raw or b""
        readable = record.sudo(False)._secure_readable()
        return readable._secure_data() if readable else b""

    @api.model
    def _logo(self, query, company):
        asked = query.get("company", [""])[0]
        if asked.isdecimal():
            company = company.browse(int(asked)).exists()
        # sudo: a company's logo is public
        return base64.b64decode(company.sudo().logo_web or b"")
