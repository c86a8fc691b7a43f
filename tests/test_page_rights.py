"""What the page gives, takes and refuses, for as long as it is open."""

import re
from datetime import timedelta

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from ..tools import limits
from .common import CANARY, CANARY_FILE, CANARY_FILE_NAME, SecureCase, Visitor

NOTE = "NOTEofstaff8841"
NOTE_FILE = "NOTEfile8842"
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00"
    b"\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\x00IEND\xaeB`\x82"
)
HTML = b"<html><body><script>alert(1)</script></body></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def at(moment):
    return freeze_time(moment, tick=True)


def file_urls(text):
    return re.findall(r'href="(/sm/c/[^"]*/f/[^"]*)"', text)


@tagged("post_install", "-at_install")
class TestNotesOfStaff(SecureCase):
    def setUp(self):
        super().setUp()
        self.sent = self.send(attachments=[(CANARY_FILE_NAME, CANARY_FILE.encode())])
        thread = self.sent.thread.with_user(self.sender)
        self.note = thread.message_post(
            body=NOTE, attachments=[("note8843.txt", NOTE_FILE.encode())]
        ).sudo()
        self.visitor.open_gate(self.token)
        self.page = self.visitor.path

    def test_never_on_the_page(self):
        for query in ("", f"?before={self.note.id + 1}", "?sent=1"):
            text = self.visitor.get(f"/{self.page}{query}").text
            self.assertIn(CANARY, text)
            self.assertNotIn(NOTE, text)
            self.assertNotIn("note8843", text)

    def test_no_receipt(self):
        self.assertTrue(self.sent.message.sudo().secure_seen_date)
        self.assertFalse(self.note.secure_seen_date)

    def test_file_is_not_served_by_its_name(self):
        """Nobody outside knows the name; this is about who once did."""
        shown = self.sent.message.sudo().attachment_ids.secure_uid
        self.assertEqual(
            self.visitor.get(f"/{self.page}/f/{shown}").content, CANARY_FILE.encode()
        )
        hidden = self.note.attachment_ids.secure_uid
        self.visitor.get(f"/{self.page}/f/{hidden}")
        self.assertEqual(self.visitor.status, 404)
        self.assertNotIn(NOTE_FILE, self.visitor.text)


@tagged("post_install", "-at_install")
class TestHowLongItStaysOpen(SecureCase):
    def setUp(self):
        super().setUp()
        self.sent = self.send(
            attachments=[("a.txt", b"a")], expiry_hours=240, body=f"<p>{CANARY}</p>"
        )
        self.start = fields.Datetime.now()

    def after(self, **span):
        return at(self.start + timedelta(**span))

    def acts(self):
        return {
            "read": lambda visitor, path: visitor.get(path),
            "take a file": lambda visitor, path: visitor.get(
                file_urls(visitor.text)[0]
            ),
            "stay": lambda visitor, path: visitor.submit(visitor.form("/stay")),
            "reply": lambda visitor, path: visitor.post(
                path,
                data={**visitor.forms()[visitor.form(path)][1], "body": "x"},
                allow_redirects=False,
            ),
        }

    def test_activity_counts(self):
        for name, act in self.acts().items():
            with self.subTest(act=name):
                visitor = Visitor(self)
                visitor.open_gate(self.token)
                path = "/" + visitor.path
                with self.after(minutes=20):
                    act(visitor, path)
                    self.assertLess(visitor.status, 400)
                with self.after(minutes=45):
                    self.assertIn(CANARY, visitor.get(path).text)

    def test_statement_26_without_activity_it_closes(self):
        self.visitor.open_gate(self.token)
        path = "/" + self.visitor.path
        with self.after(minutes=29):
            self.visitor.get("/sm/" + self.token)
        with self.after(minutes=31):
            self.assertNotIn(CANARY, self.visitor.get(path).text)

    def test_statement_26_activity_does_not_go_beyond_twelve_hours(self):
        self.visitor.open_gate(self.token)
        path = "/" + self.visitor.path
        for minutes in range(25, 12 * 60, 25):
            with self.after(minutes=minutes):
                self.assertIn(CANARY, self.visitor.get(path).text)
        with self.after(hours=12, seconds=5):
            self.assertNotIn(CANARY, self.visitor.get(path).text)

    def test_statement_27_archived_conversation_closes(self):
        self.visitor.open_gate(self.token)
        path = "/" + self.visitor.path
        [file] = set(file_urls(self.visitor.text))
        action, hidden = self.visitor.forms()[self.visitor.form(path)]
        self.sent.thread.active = False
        for road in (path, file, f"/sm/{self.token}"):
            self.visitor.get(road)
            self.assertEqual(self.visitor.status, 410)
            self.assertNotIn(CANARY, self.visitor.text)
        self.visitor.post(action, data={**hidden, "body": "too late"})
        self.assertEqual(self.visitor.status, 410)
        self.assertEqual(len(self.sent.thread.message_ids), 1)


@tagged("post_install", "-at_install")
class TestWhatAReplyMayCarry(SecureCase):
    def setUp(self):
        super().setUp()
        self.sent = self.send(expiry_hours=240)

    def reply(self, body, data=None):
        files = data and {"files": ("scan.txt", data, "text/plain")}
        self.visitor.submit(
            self.visitor.form(self.visitor.path), body=body, files=files
        )

    def test_statement_36_files_of_a_day(self):
        self.patch(limits, "CLIENT_FILES_PER_DAY_BYTES", 1000)
        start = fields.Datetime.now()
        files = [("staff.txt", b"s" * 900)]
        self.send(thread=self.sent.thread, attachments=files, expiry_hours=240)
        self.visitor.open_gate(self.token)
        self.reply("first", b"x" * 600)
        self.assertEqual(self.visitor.status, 200)
        self.reply("second one", b"x" * 600)
        self.assertEqual(self.visitor.status, 422)
        self.assertIn("all the files we can take today", self.visitor.text)
        self.assertIn("second one", self.visitor.text)
        self.reply("without a file")
        self.assertEqual(self.visitor.status, 200)
        self.assertEqual(len(self.sent.thread.message_ids), 4)
        with at(start + timedelta(hours=23)):
            self.visitor.open_gate(self.token)
            self.reply("still too early", b"x" * 600)
            self.assertEqual(self.visitor.status, 422)
        with at(start + timedelta(hours=24, minutes=1)):
            self.visitor.open_gate(self.token)
            self.reply("the day after", b"x" * 600)
            self.assertEqual(self.visitor.status, 200)

    def test_statement_36_files_of_a_day_are_counted_for_each_conversation(self):
        self.patch(limits, "CLIENT_FILES_PER_DAY_BYTES", 1000)
        for _conversation in range(2):
            self.send()
            self.visitor.open_gate(self.token)
            self.reply("x", b"x" * 600)
            self.assertEqual(self.visitor.status, 200)

    def test_too_long(self):
        self.patch(limits, "BODY_MAX_CHARACTERS", 200)
        self.visitor.open_gate(self.token)
        long = "long " * 50
        self.reply(long)
        self.assertEqual(self.visitor.status, 422)
        self.assertIn("too long", self.visitor.text)
        self.assertIn(long[:190], self.visitor.text)
        with self.assertRaisesRegex(UserError, "^This message is too long.$"):
            self.sent.thread.with_user(self.sender).message_post(body=long)
        self.assertEqual(len(self.sent.thread.message_ids), 1)
        self.reply("short")
        self.assertEqual(len(self.sent.thread.message_ids), 2)


@tagged("post_install", "-at_install")
class TestTypesOfFiles(SecureCase):
    def test_statement_36_told_types(self):
        """A browser never learns a type that it would run or open by itself."""
        expected = {
            "a.pdf": (b"%PDF-1.4\n", "application/pdf"),
            "a.png": (PNG, "image/png"),
            "a.txt": (b"plain words", "text/plain"),
            "a.html": (HTML, "application/octet-stream"),
            "b.txt": (HTML, "application/octet-stream"),
            "a.svg": (SVG, "application/octet-stream"),
            "b.png": (SVG, "application/octet-stream"),
            "a.js": (b"alert(1)", "application/octet-stream"),
            "a.docx": (b"PK\x03\x04", "application/octet-stream"),
        }
        self.send(attachments=[(name, data) for name, (data, _) in expected.items()])
        self.visitor.open_gate(self.token)
        taken = {}
        for url in set(file_urls(self.visitor.text)):
            response = self.visitor.get(url)
            headers = response.headers
            how, _, name = headers["Content-Disposition"].partition("; filename=")
            taken[name] = (response.content, headers["Content-Type"].split(";")[0])
            self.assertEqual(how, "attachment", name)
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff", name)
        self.assertEqual(taken, expected)
