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
        """Put into each text to a contact the pictures it shows: those that anybody may
        see, or its sender uploaded for it, each read once for all drafts. In the place
        of any other stands that there was one.
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
        """What anybody may see at an address, or was uploaded for a text by this user.

        Not what its sender may see: whoever writes to them, or fills in a field of the
        record, puts numbers into a text that is quoted to a contact.
        """
        named = {"model": "ir.attachment", "field": "raw", **match.groupdict()}
        number, token = int(named["id"]), query.get("access_token", [None])[0]
        is_file = named["model"] == "ir.attachment"
        # OdooBot uploads nothing for a text
        if is_file and self.env.uid != SUPERUSER_ID:
            own = self.env["ir.attachment"]._secure_pending([number])
            if own:
                [(_name, data)] = own._secure_files()
                return data
        anybody = self.env.ref("base.public_user")
        record = (
            self.env["ir.binary"]
            .with_user(anybody)
            ._find_record(
                res_model=named["model"],
                res_id=number,
                access_token=token,
                field=named["field"],
            )
        )
        if is_file:
            # The public user is all visitors: it reads what any of them uploaded
            # sudo: whether a file that may be read is everybody's
            shared = bool(token) or record.sudo().public
            return b"" if not shared or record._secure_among() else record.raw or b""
        if record._fields[named["field"]].type != "binary":
            return b""
        return base64.b64decode(record[named["field"]] or b"")

    @api.model
    def _logo(self, query, company):
        asked = query.get("company", [""])[0]
        if asked.isdecimal():
            company = company.browse(int(asked)).exists()
        # sudo: a company's logo is public
        return base64.b64decode(company.sudo().logo_web or b"")
