"""New messages on a page that is open."""

import re
from datetime import timedelta

from freezegun import freeze_time
from lxml import html

from odoo import fields
from odoo.tests import tagged

from ..models.secure_grant import GRANT_IDLE
from ..models.secure_page import MESSAGES_PER_PAGE
from .common import CANARY, CANARY_FILE, CANARY_FILE_NAME, PIN, SecureCase


@tagged("post_install", "-at_install")
class TestNews(SecureCase):
    def setUp(self):
        super().setUp()
        self.sent = self.send(pin=PIN, body="<p>SHOWN-AT-FIRST</p>")
        self.visitor.open_gate(self.token, pin=PIN)
        self.page = "/" + self.visitor.path
        self.known = self.marks(self.visitor.text)

    def marks(self, text):
        return re.findall(r'data-mark="([^"]*)"', text)

    def news(self, known=None):
        known = ".".join(self.known if known is None else known)
        response = self.visitor.get(f"{self.page}/news", params={"known": known})
        self.assertEqual(response.status_code, 200)
        return response.json()

    def answer(self, **values):
        """Staff write again in the conversation that stands open."""
        return self.send(thread=self.sent.thread, **values).message.sudo()

    def test_what_is_new_only(self):
        self.assertEqual(self.news()["html"], "")
        self.answer(attachments=[(CANARY_FILE_NAME, CANARY_FILE.encode())])
        news = self.news()
        self.assertIn(CANARY, news["html"])
        self.assertIn(CANARY_FILE_NAME, news["html"])
        self.assertNotIn("SHOWN-AT-FIRST", news["html"])
        [row] = html.fragments_fromstring(news["html"])
        self.assertEqual(row.tag, "li")
        self.assertEqual(self.news([*self.known, row.get("data-mark")])["html"], "")
        [file] = row.xpath(".//a/@href")
        self.assertEqual(self.visitor.get(file).content, CANARY_FILE.encode())

    def test_statement_11_receipt_when_it_is_shown(self):
        message = self.answer()
        self.assertFalse(message.secure_seen_date)
        self.news()
        seen = message.secure_seen_date
        self.assertLess(abs(seen - fields.Datetime.now()), timedelta(seconds=10))
        self.news()
        self.assertEqual(message.secure_seen_date, seen)
        rows = self.env["secure.access.log"].search(
            [("kind", "=", "read"), ("message_id", "=", message.id)]
        )
        self.assertEqual(len(rows), 1)

    def test_nothing_is_written_while_nothing_is_new(self):
        before = self.rows_of()
        for _poll in range(3):
            self.news()
        self.assertEqual(self.rows_of(), before)

    def test_being_asked_is_no_activity(self):
        start = fields.Datetime.now()
        for minutes in (10, 20, 29):
            with freeze_time(start + timedelta(minutes=minutes), tick=True):
                left = self.news()["idle_seconds"]
                self.assertLessEqual(left, (30 - minutes) * 60)
        with freeze_time(start + GRANT_IDLE + timedelta(seconds=2), tick=True):
            response = self.visitor.get(f"{self.page}/news")
            self.assertEqual(response.status_code, 403)
            self.assertNotIn(CANARY, response.text)

    def test_neither_notes_nor_others(self):
        self.sent.thread.with_user(self.sender).message_post(body="NOTE-INSIDE")
        self.send(body="<p>OTHER-CONVERSATION</p>")
        self.assertEqual(self.news()["html"], "")

    def test_from_another_window_of_the_same_reader(self):
        values = {"thread": self.sent.thread, "body": "x", "direction": "inbound"}
        self.env["secure.thread"]._send([values])
        [row] = html.fragments_fromstring(self.news()["html"])
        self.assertEqual(row.get("class"), "mine")

    def test_junk_is_no_error(self):
        for known in ("", "x" * 3000, ".".join("w" for _ in range(500)), "%00'\"<>"):
            with self.subTest(known=known[:10]):
                self.assertIn("SHOWN-AT-FIRST", self.news([known])["html"])

    def test_headers(self):
        headers = self.visitor.get(f"{self.page}/news").headers
        self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertEqual(headers["Content-Type"].split(";")[0], "application/json")
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")

    def test_few_queries_however_long_the_conversation(self):
        """What 50 readers ask for every 15 seconds."""
        counts = []
        for size in (1, 1, MESSAGES_PER_PAGE + 20):
            values = {"thread": self.sent.thread, "body": "x", "direction": "inbound"}
            self.env["secure.thread"]._send([dict(values) for _ in range(size)])
            known = self.marks(self.visitor.get(self.page).text)
            grant = self.env["secure.grant"].search(
                [("thread_id", "=", self.sent.thread.id)]
            )
            handle = grant.sudo().handle
            self.env.invalidate_all()
            secret = self.visitor.opener.cookies.get_dict(path=self.page)["sm"]
            before = self.env.cr.sql_log_count
            found = self.env["secure.grant"]._find(handle, secret)
            self.assertTrue(found._holds())
            pages = self.env["secure.page"]
            self.assertFalse(pages._news(found.thread_id, ".".join(known)))
            found._time_left()
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(counts[1], counts[2])
        self.assertLessEqual(counts[2], 8)
