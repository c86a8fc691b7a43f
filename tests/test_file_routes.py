"""Files: what comes in, under which name, and what Odoo's own addresses give of it."""

import base64
import csv
import io
import json

from odoo.exceptions import AccessError
from odoo.http import Request
from odoo.tests import BaseCase, tagged
from odoo.tools import mute_logger

from ..controllers.page import SecurePage
from ..tools import content, file_types, limits
from .common import (
    CANARY_FILE,
    CANARY_FILE_NAME,
    SecureCase,
    Visitor,
)

HTML = b"<!DOCTYPE html><html><body><script>alert(1)</script></body></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>'

NAMES = {
    "report.pdf": "report.pdf",
    "../../etc/passwd": "passwd",
    "C:\\Users\\x\\scan.pdf": "scan.pdf",
    "invoice\u202efdp.exe": "invoicefdp.exe",
    "a\u200e\u200f\u2066b\u2069.txt": "ab.txt",
    "zero\u200bwidth\ufeff.txt": "zerowidth.txt",
    "line\r\nSet-Cookie: x.txt": "lineSet-Cookie x.txt",
    "nul\x00byte.pdf": "nulbyte.pdf",
    'quo"te<s>|?*.txt': "quotes.txt",
    "  .hidden. ": "hidden",
    "": "file",
    "...": "file",
    "con.txt": "_con.txt",
    "NUL": "_NUL",
    "Com1.tar.gz": "_Com1.tar.gz",
    "lpt9 .pdf": "_lpt9 .pdf",
    "console.txt": "console.txt",
    "e\u0301te\u0301.pdf": "\u00e9t\u00e9.pdf",
    "الملف.pdf": "الملف.pdf",
    "检查报告.pdf": "检查报告.pdf",
}


@tagged("post_install", "-at_install")
class TestNames(BaseCase):
    def test_statement_36_names(self):
        for given, expected in NAMES.items():
            with self.subTest(given=given):
                self.assertEqual(content.clean_file_name(given), expected)

    def test_statement_36_long_names_keep_their_end(self):
        for char in ("a", "é", "检", "😀"):
            with self.subTest(char=char):
                name = content.clean_file_name(char * 400 + ".pdf")
                self.assertTrue(name.endswith(".pdf"))
                self.assertLessEqual(len(name), content.FILE_NAME_MAX_LENGTH)
                self.assertLessEqual(len(name.encode()), content.FILE_NAME_MAX_BYTES)
                self.assertGreater(len(name), 40)

    def test_statement_36_cleaning_twice_changes_nothing(self):
        for given in NAMES:
            once = content.clean_file_name(given)
            self.assertEqual(content.clean_file_name(once), once)

    def test_statement_36_types(self):
        welcome = {
            "scan.pdf": b"%PDF-1.4\n",
            "SCAN.PDF": b"%PDF-1.4\n",
            "photo.heic": b"\x00\x00\x00\x18ftypheic",
            "notes.txt": b"plain",
            "all.zip": b"PK\x03\x04",
            "image.dcm": b"\x00" * 128 + b"DICM",
        }
        unwelcome = {
            "run.exe": b"MZ\x90",
            "scan.pdf.exe": b"%PDF-1.4\n",
            "scan.pdf": b"MZ\x90",
            "photo.png": HTML,
            "text.txt": HTML,
            "page.html": b"x",
            "drawing.svg": SVG,
            "drawing.xml": SVG,
            "start.bat": b"x",
            "start.ps1": b"x",
            "macro.xlsm": b"PK\x03\x04",
            "link.lnk": b"x",
            "app.js": b"x",
            "script.txt": b"#!/bin/sh\n",
            "none": b"x",
            ".txt": b"x",
        }
        for name, data in welcome.items():
            self.assertTrue(file_types.is_allowed(name, data), name)
        for name, data in unwelcome.items():
            self.assertFalse(file_types.is_allowed(name, data), name)


@tagged("post_install", "-at_install")
class TestUploads(SecureCase):
    def setUp(self):
        super().setUp()
        self.sent = self.send()
        self.visitor.open_gate(self.token)

    def reply(self, name, data):
        self.visitor.submit(
            self.visitor.form(self.visitor.path),
            body="my words",
            files={"files": (name, data, "application/pdf")},
        )

    def replies(self):
        return self.sent.thread.message_ids.sudo().filtered(
            lambda message: message.secure_direction == "inbound"
        )

    def test_statement_36_unwelcome_types_are_refused_and_the_text_kept(self):
        for name, data in (("tool.exe", b"MZ"), ("page.html", HTML), ("x.pdf", SVG)):
            with self.subTest(name=name):
                self.reply(name, data)
                self.assertEqual(self.visitor.status, 422)
                self.assertIn(f"{name} is of a type we cannot take", self.visitor.text)
                self.assertIn(">my words</textarea>", self.visitor.text)
        self.assertFalse(self.replies())
        self.reply("scan.pdf", b"%PDF-1.4\n")
        self.assertEqual(len(self.replies().attachment_ids), 1)
        self.assertIn(f'accept="{file_types.ACCEPT}"', self.visitor.text)

    def test_statement_36_stored_and_served_under_a_clean_name(self):
        self.reply("../up\u202efdp.pdf", b"%PDF-1.4\n")
        file = self.replies().attachment_ids
        self.assertEqual(file._secure_head()["name"], "upfdp.pdf")
        self.assertFalse(file.access_token or file.public)
        response = self.visitor.get(f"/{self.visitor.path}/f/{file.secure_uid}")
        disposition = response.headers["Content-Disposition"]
        self.assertIn("attachment", disposition)
        self.assertIn("upfdp.pdf", disposition)
        self.assertEqual(response.headers["X-Content-Type-Options"], "nosniff")

    def test_statement_36_whole_request_is_limited(self):
        routing = SecurePage.reply.original_routing
        self.assertEqual(routing["max_content_length"], limits.REQUEST_MAX_BYTES)
        self.assertLess(limits.MESSAGE_FILES_MAX_BYTES, limits.REQUEST_MAX_BYTES)


@tagged("post_install", "-at_install")
class TestOdoosAddresses(SecureCase):
    """Every address of Odoo that serves attachments, for everybody."""

    def setUp(self):
        super().setUp()
        self.sent = self.send(
            attachments=[
                (CANARY_FILE_NAME, b"\x89PNG\r\n\x1a\n" + CANARY_FILE.encode())
            ]
        )
        self.file = self.sent.message.sudo().attachment_ids
        self.sealed = bytes(self.file.raw)

    def addresses(self):
        id_, thread = self.file.id, self.sent.thread.id
        stored = self.file.store_fname or "00/00"
        return (
            f"/web/content/{id_}",
            f"/web/content/{id_}?download=true",
            f"/web/content/{id_}/x.png",
            f"/web/content/{id_}-abc/x.png",
            f"/web/content?id={id_}",
            f"/web/content?model=ir.attachment&id={id_}&field=raw",
            f"/web/content?model=ir.attachment&id={id_}&field=datas",
            f"/web/content/ir.attachment/{id_}/raw",
            f"/web/content/ir.attachment/{id_}/datas",
            f"/web/content/ir.attachment/{id_}/db_datas",
            f"/web/content/ir.attachment/{id_}/thumbnail",
            f"/web/content/ir.attachment/{id_}/secure_name",
            f"/web/content/secure.thread/{thread}/subject_sealed",
            f"/web/content/mail.message/{self.sent.message.id}/secure_body",
            f"/web/image/{id_}",
            f"/web/image/{id_}/64x64",
            f"/web/image/{id_}-abc/64x64/x.png",
            f"/web/image?model=ir.attachment&id={id_}&field=raw",
            f"/web/image/ir.attachment/{id_}/raw",
            f"/web/image/ir.attachment/{id_}/raw/64x64",
            f"/web/image/ir.attachment/{id_}/thumbnail",
            f"/web/image/secure.thread/{thread}/image_128",
            f"/mail/attachment/pdf_first_page/{id_}",
            f"/web/filestore/{stored}",
            f"/web/assets/{id_}/x.js",
            f"/html_editor/image_shape/{id_}/html_builder/basic/square.svg",
        )

    def in_clear(self, response):
        return CANARY_FILE.encode() in response.content

    def test_statement_36_by_address(self):
        """Clear for who reads the conversation, by the addresses made for that; for
        everybody else not even what it is called or how it is sealed."""
        clear = {}
        for login in (None, "portal7", "clerk", "colleague", "sender", "manager"):
            self.authenticate(login, login and f"{login}-{login}")
            for address in self.addresses():
                with (
                    self.subTest(login=login, address=address),
                    mute_logger("odoo.http", "odoo.addons.base.models.ir_binary"),
                ):
                    response = self.url_open(address)
                    self.assertNotIn(self.sealed[9:60], response.content)
                    if self.in_clear(response):
                        clear.setdefault(login, set()).add(address)
                        self.assertNotIn("public", response.headers["Cache-Control"])
                        self.assertEqual(
                            response.headers["X-Content-Type-Options"], "nosniff"
                        )
        self.assertEqual(set(clear), {"sender", "manager"})
        self.assertIn(f"/web/content/{self.file.id}", clear["sender"])
        for address in clear["sender"] | clear["manager"]:
            self.assertNotIn("thumbnail", address)
            self.assertNotIn("filestore", address)
            self.assertNotIn("image_shape", address)

    def test_statement_36_editor_and_tokens(self):
        """Routes that copy a file, or give it an address of its own."""
        routes = (
            (f"/html_editor/modify_image/{self.file.id}", {"res_model": "res.partner"}),
            (
                f"/html_editor/modify_image/{self.file.id}",
                {"res_model": "res.partner", "res_id": self.sender.partner_id.id},
            ),
            ("/html_editor/get_image_info", {"src": f"/web/image/{self.file.id}"}),
            ("/mail/attachment/delete", {"attachment_id": self.file.id}),
            (
                "/mail/attachment/update_thumbnail",
                {"attachment_id": self.file.id, "thumbnail": "eA=="},
            ),
            ("/portal/attachment/remove", {"attachment_id": self.file.id}),
            ("/html_editor/attachment/remove", {"ids": [self.file.id]}),
        )
        for login in (None, "portal7", "clerk", "colleague", "sender"):
            self.authenticate(login, login and f"{login}-{login}")
            for route, params in routes:
                with (
                    self.subTest(login=login, route=route),
                    mute_logger("odoo.http"),
                ):
                    answer = self.url_open(
                        route,
                        data=json.dumps({"params": params}),
                        headers={"Content-Type": "application/json"},
                    )
                    self.assertFalse(self.in_clear(answer))
                    self.assertNotIn(CANARY_FILE_NAME, answer.text)
                    file = self.file.exists()
                    self.assertTrue(file, "it is still there")
                    self.assertEqual(bytes(file.raw), self.sealed)
                    self.assertFalse(file.public or file.access_token)
                    self.assertFalse(file.thumbnail)
        copies = self.env["ir.attachment"].search([("original_id", "=", self.file.id)])
        self.assertFalse(copies)

    def test_statement_36_export_copy_index(self):
        """What a reader exports is what the table holds."""
        self.sender.group_ids += self.env.ref("base.group_allow_export")
        self.authenticate("sender", "sender-sender")
        names = ["name", "mimetype", "index_content", "datas", "description"]
        response = self.url_open(
            "/web/export/csv",
            data={
                "csrf_token": Request.csrf_token(self),
                "data": json.dumps(
                    {
                        "model": "ir.attachment",
                        "fields": [{"name": n, "label": n} for n in names],
                        "ids": self.file.ids,
                        "domain": [],
                        "groupby": [],
                        "import_compat": False,
                        "context": {},
                    }
                ),
            },
        )
        rows = list(csv.reader(io.StringIO(response.text)))
        self.assertEqual(rows[1][0], content.FILE_PLACEHOLDER)
        self.assertEqual(rows[1][2], "")
        self.assertNotIn(CANARY_FILE_NAME, response.text)
        self.assertEqual(base64.b64decode(rows[1][3]), self.sealed)
        with self.assertRaises(AccessError):
            self.file.with_user(self.sender).copy({"res_model": "res.partner"})
        with self.leak_scan() as scan:
            self.file.sudo()._index(self.sealed, "image/png")
            self.assertNoLeak(scan)

    def test_statement_36_by_its_own_route_each_time(self):
        """The conversation is looked at for each request: see test_grants.py."""
        visitor = Visitor(self)
        visitor.open_gate(self.token)
        route = f"/{visitor.path}/f/{self.file.secure_uid}"
        self.assertTrue(self.in_clear(visitor.get(route)))
        for junk in ("x", "0" * 31, "../" + "0" * 32, "%2e%2e", str(self.file.id)):
            self.assertEqual(
                visitor.get(f"/{visitor.path}/f/{junk}").status_code, 404, junk
            )
