import re
from datetime import timedelta

from freezegun import freeze_time

from odoo import fields
from odoo.tests import tagged

from ..models.secure_grant import GRANT_ABSOLUTE, GRANT_IDLE
from ..models.secure_link import RENEWAL_GRACE
from ..models.secure_page import MESSAGES_PER_PAGE
from ..tools import limits
from .common import (
    CANARY,
    CANARY_FILE,
    CANARY_FILE_NAME,
    CANARY_REPLY,
    CANARY_SUBJECT,
    PIN,
    WRONG_PIN,
    SecureCase,
    Visitor,
)


def at(moment):
    return freeze_time(moment, tick=True)


@tagged("post_install", "-at_install")
class TestGate(SecureCase):
    def test_statement_09_get_and_head_change_nothing(self):
        self.send(pin=PIN)
        before = self.rows_of()
        for _ in range(3):
            self.assertEqual(self.visitor.get(f"/sm/{self.token}").status_code, 200)
        self.visitor._request("HEAD", f"/sm/{self.token}")
        self.visitor.get("/sm/" + "0" * 33)
        self.assertEqual(self.rows_of(), before)
        self.assertNotIn("session_id", self.visitor.opener.cookies)

    def test_gate_shows_the_company_only(self):
        self.send(pin=PIN)
        text = self.visitor.get(f"/sm/{self.token}").text
        self.assertIn(self.company.name, text)
        for hidden in (self.contact.name, self.contact.email, CANARY_SUBJECT, "Sender"):
            self.assertNotIn(hidden, text)

    def test_is_this_genuine(self):
        """Whose page it is and how to make sure: by a number one knows, and by the
        address, which is the company's and not what a request says."""
        self.company.write({"logo": False, "name": "Practice Peeters"})
        self.send(pin=PIN)
        forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
        text = self.visitor.get(f"/sm/{self.token}", headers=forged).text
        self.assertIn("Is this genuine?", text)
        self.assertIn("Practice Peeters", text)
        self.assertIn('href="tel:+3225550123"', text)
        self.assertIn("a number you already know", text)
        self.assertIn(f">{self.company.get_base_url()}/</strong>", text)
        self.assertNotIn("evil.example", text)

    def test_right_pin_opens_wrong_does_not(self):
        self.send(pin=PIN)
        self.visitor.open_gate(self.token, pin=WRONG_PIN)
        self.assertEqual(self.visitor.status, 403)
        self.assertNotIn(CANARY, self.visitor.text)
        self.visitor.submit(pin=f" {PIN[:3]} {PIN[3:]}")
        self.assertEqual(self.visitor.status, 200)
        self.assertIn(CANARY, self.visitor.text)
        self.assertIn(CANARY_SUBJECT, self.visitor.text)
        self.assertNotIn(self.token, self.visitor.path)

    def test_statement_10_without_pin_a_post_with_form_token_is_needed(self):
        self.send()
        self.visitor.get(f"/sm/{self.token}")
        self.visitor.post(f"/sm/{self.token}", data={})
        self.assertEqual(self.visitor.status, 400)
        self.visitor.get(f"/sm/{self.token}")
        self.visitor.post(
            f"/sm/{self.token}",
            data=self.visitor.forms()[0][1],
            headers={"Sec-Fetch-Site": "cross-site"},
        )
        self.assertEqual(self.visitor.status, 400)
        self.visitor.open_gate(self.token)
        self.assertIn(CANARY, self.visitor.text)

    def test_cookies_off(self):
        self.send()
        self.visitor.get(f"/sm/{self.token}")
        hidden = self.visitor.forms()[0][1]
        self.visitor.opener.cookies.clear()
        self.visitor.post(f"/sm/{self.token}", data=hidden)
        self.assertEqual(self.visitor.status, 400)
        self.assertIn("cookie", self.visitor.text.lower())

    def test_statement_05_not_genuine_look_alike(self):
        self.send()
        forged = self.token[:-1] + ("A" if self.token[-1] != "A" else "B")
        purged = self.send(partner=self.other_contact)
        purged_token = self.token
        purged.link.sudo().unlink()
        answers = set()
        for token in (forged, "0" * 33, "short", purged_token, self.token[:20]):
            self.visitor.get(f"/sm/{token}")
            answers.add((self.visitor.status, self.visitor.text.replace(token, "")))
        self.assertEqual(len(answers), 1)
        self.assertEqual(next(iter(answers))[0], 404)
        self.assertNotIn(self.company.name, next(iter(answers))[1].split("</title>")[1])

    def test_language_and_direction_of_the_contact(self):
        """Not the visitor's browser's, not the company's."""
        wanted = {"Accept-Language": "de"}
        for code, attributes in (
            ("fr_FR", 'lang="fr-FR" dir="ltr"'),
            ("ar_001", 'lang="ar-001" dir="rtl"'),
        ):
            self.env["res.lang"]._activate_lang(code)
            self.contact.lang = code
            self.send(pin=PIN)
            self.visitor.get(f"/sm/{self.token}", headers=wanted)
            self.assertIn(attributes, self.visitor.text)
            self.visitor.submit(pin=PIN)
            self.assertIn(attributes, self.visitor.text)

    def test_headers(self):
        self.send()
        for path in (f"/sm/{self.token}", "/sm/" + "0" * 33):
            headers = self.visitor.get(path).headers
            self.assertEqual(headers["Cache-Control"], "no-store")
            self.assertEqual(headers["Referrer-Policy"], "no-referrer")
            self.assertIn("noindex", headers["X-Robots-Tag"])
            self.assertIn("frame-ancestors 'none'", headers["Content-Security-Policy"])
            self.assertNotIn("unsafe", headers["Content-Security-Policy"])
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")

    def test_statement_30_cookie(self):
        self.send()
        self.visitor.open_gate(self.token)
        header = self.visitor.response.history[-1].headers["Set-Cookie"]
        self.assertIn("HttpOnly", header)
        self.assertIn("SameSite=Strict", header)
        self.assertIn(f"Path=/{self.visitor.path}", header)

    def test_statement_34_expiry_to_the_second(self):
        sent = self.send()
        expires = sent.link.sudo().expires_at
        with at(expires - timedelta(seconds=3)):
            self.assertEqual(self.visitor.get(f"/sm/{self.token}").status_code, 200)
        with at(expires):
            self.assertEqual(self.visitor.get(f"/sm/{self.token}").status_code, 410)

    def test_states_are_told_to_the_holder(self):
        sent = self.send()
        sent.thread.with_user(self.sender).action_revoke()
        self.visitor.get(f"/sm/{self.token}")
        self.assertEqual(self.visitor.status, 410)
        self.assertIn("withdrawn", self.visitor.text.lower())

    def test_archived_contact_and_changed_address_close(self):
        for values in ({"active": False}, {"email": "new@client.example"}):
            sent = self.send(
                partner=self.other_contact.copy({"email": "x@client.example"})
            )
            visitor = Visitor(self)
            visitor.open_gate(self.token)
            self.assertEqual(visitor.status, 200)
            path = visitor.path
            sent.thread.partner_id.write(values)
            visitor.get("/" + path)
            self.assertNotIn(CANARY, visitor.text)
            visitor.get(f"/sm/{self.token}")
            self.assertEqual(visitor.status, 410)


@tagged("post_install", "-at_install")
class TestConversation(SecureCase):
    def test_reply_with_file(self):
        sent = self.send(pin=PIN)
        with self.leak_scan() as scan:
            self.visitor.open_gate(self.token, pin=PIN)
            self.visitor.submit(
                self.visitor.form(self.visitor.path),
                body=CANARY_REPLY,
                files={"files": (CANARY_FILE_NAME, CANARY_FILE.encode(), "text/plain")},
            )
            self.assertEqual(self.visitor.status, 200)
            self.assertIn(CANARY_REPLY, self.visitor.text)
            self.env.cr.precommit.run()
            self.assertNoLeak(scan, self.token, PIN)
        message = sent.thread.message_ids.sorted("id")[-1]
        self.assertEqual(message.sudo().secure_direction, "inbound")
        self.assertEqual(message.author_id, self.contact)
        self.assertEqual(message.create_uid, self.env.ref("base.user_root"))
        self.assertEqual(message.attachment_ids._secure_data(), CANARY_FILE.encode())
        self.assertEqual(sent.thread.staff_unread_count, 1)
        told = message.notification_ids
        self.assertEqual(told.res_partner_id, self.sender.partner_id)
        self.assertEqual(told.notification_type, "inbox")

    def test_statement_36_file_by_its_own_route_only(self):
        self.send(attachments=[(CANARY_FILE_NAME, CANARY_FILE.encode())])
        self.visitor.open_gate(self.token)
        [url] = set(self.links_in(self.visitor.text))
        response = self.visitor.get(url)
        self.assertEqual(response.content, CANARY_FILE.encode())
        self.assertIn("attachment", response.headers["Content-Disposition"])
        self.assertIn(CANARY_FILE_NAME, response.headers["Content-Disposition"])
        self.assertIn("sandbox", response.headers["Content-Security-Policy"])
        self.assertEqual(response.headers["Cache-Control"], "no-store")
        stranger = Visitor(self)
        self.assertNotIn(CANARY_FILE.encode(), stranger.get(url).content)

    def links_in(self, text):
        return re.findall(r'href="(/sm/c/[^"]*/f/[^"]*)"', text)

    def test_statement_07_idor_between_two_conversations(self):
        """Each address of A under the cookie and handle of B, and the other way."""
        a, b = Visitor(self), Visitor(self)
        self.send(attachments=[("a.txt", b"FILE-OF-A")], body="<p>BODY-OF-A</p>")
        a.open_gate(self.token)
        file_a = self.links_in(a.text)[0].rsplit("/", 1)[1]
        path_a, forms_a = "/" + a.path, a.forms()
        second = self.send(body="<p>BODY-OF-B</p>")
        b.open_gate(self.token)
        path_b = "/" + b.path
        roads = [
            ("GET", path_a, None),
            ("GET", f"{path_a}/f/{file_a}", None),
            ("GET", f"{path_b}/f/{file_a}", None),
            ("POST", path_a, {**forms_a[-1][1], "body": "INTRUDER"}),
            ("POST", path_b, {**forms_a[-1][1], "body": "INTRUDER"}),
            ("POST", path_a + "/stay", forms_a[0][1]),
            ("POST", path_a + "/open", {**forms_a[0][1], "pin": PIN}),
        ]
        cookie = b.opener.cookies.get_dict(path=path_b)["sm"]
        for method, path, data in roads:
            with self.subTest(method=method, path=path):
                b._request(
                    method, path, data=data, headers={"Cookie": f"sm={cookie}; sm_ok=1"}
                )
                self.assertNotIn("OF-A", b.text)
                self.assertGreaterEqual(b.status, 400)
        self.assertEqual(len(second.thread.message_ids), 1)

    def test_two_conversations_in_one_browser_stay_apart(self):
        self.send(body="<p>FIRST-ONE</p>")
        self.visitor.open_gate(self.token)
        first = self.visitor.path
        self.send(body="<p>SECOND-ONE</p>")
        self.visitor.open_gate(self.token)
        second = self.visitor.path
        self.assertIn("FIRST-ONE", self.visitor.get("/" + first).text)
        self.assertNotIn("SECOND-ONE", self.visitor.text)
        self.assertIn("SECOND-ONE", self.visitor.get("/" + second).text)

    def test_double_submit_is_one_reply(self):
        sent = self.send()
        self.visitor.open_gate(self.token)
        action, hidden = self.visitor.forms()[self.visitor.form(self.visitor.path)]
        for _ in range(2):
            self.visitor.post(action, data={**hidden, "body": "once"})
            self.assertEqual(self.visitor.status, 200)
        replies = sent.thread.message_ids.filtered(
            lambda message: message.sudo().secure_direction == "inbound"
        )
        self.assertEqual(len(replies), 1)

    def test_statement_36_empty_reply_and_too_many_files(self):
        self.send()
        self.visitor.open_gate(self.token)
        index = self.visitor.form(self.visitor.path)
        self.visitor.submit(index, body="   ")
        self.assertEqual(self.visitor.status, 422)
        index = self.visitor.form(self.visitor.path)
        many = [
            ("files", (f"{n}.txt", b"x")) for n in range(limits.FILES_PER_MESSAGE + 1)
        ]
        self.visitor.submit(index, body="kept text", files=many)
        self.assertEqual(self.visitor.status, 422)
        self.assertIn("kept text", self.visitor.text)
        index = self.visitor.form(self.visitor.path)
        self.visitor.submit(index, body="kept text")
        self.assertEqual(self.visitor.status, 200)

    def test_statement_36_file_over_the_limit(self):
        self.patch(limits, "FILE_MAX_BYTES", 10)
        self.send()
        self.visitor.open_gate(self.token)
        self.visitor.submit(
            self.visitor.form(self.visitor.path),
            body="kept",
            files={"files": ("big.txt", b"x" * 11)},
        )
        self.assertEqual(self.visitor.status, 422)
        self.assertIn("big.txt", self.visitor.text)

    def test_idle_end_keeps_the_text(self):
        sent = self.send(pin=PIN)
        self.visitor.open_gate(self.token, pin=PIN)
        index, path = self.visitor.form(self.visitor.path), self.visitor.path
        with at(fields.Datetime.now() + GRANT_IDLE + timedelta(seconds=2)):
            self.visitor.submit(index, body="typed for long")
            self.assertNotIn(CANARY, self.visitor.text)
            self.assertEqual(len(sent.thread.message_ids), 1)
            self.visitor.submit(pin=PIN)
            self.assertEqual(self.visitor.status, 200)
            self.assertNotEqual(self.visitor.path, path)
            self.assertIn("typed for long", self.visitor.text)
            self.assertEqual(len(sent.thread.message_ids), 1)

    def test_resume_never_sends(self):
        """The page's "Continue" after its idle end, though another tab kept it open."""
        sent = self.send()
        self.visitor.open_gate(self.token)
        self.visitor.submit(
            self.visitor.form(self.visitor.path), body="half a sentence", resume="1"
        )
        self.assertEqual(len(sent.thread.message_ids), 1)
        self.assertIn("half a sentence", self.visitor.text)

    def test_statement_26_grant_limits(self):
        sent = self.send(expiry_hours=240)
        self.visitor.open_gate(self.token)
        grant = self.env["secure.grant"].search([("thread_id", "=", sent.thread.id)])
        now = fields.Datetime.now()
        self.assertLessEqual(grant.expires_at, now + GRANT_ABSOLUTE)
        grant.idle_until = now + timedelta(days=2)
        self.assertTrue(grant._holds())
        with at(now + GRANT_ABSOLUTE + timedelta(seconds=1)):
            self.assertFalse(grant._holds())
        short = self.send(expiry_hours=1)
        self.visitor.open_gate(self.token)
        grant = self.env["secure.grant"].search([("thread_id", "=", short.thread.id)])
        self.assertEqual(grant.expires_at, short.link.sudo().expires_at)

    def test_statement_27_ends_at_next_request(self):
        def change_pin(sent):
            self.set_pin(sent.thread, "274918")

        def change_address(sent):
            sent.thread.partner_id.email = "other@client.example"

        def archive(sent):
            sent.thread.partner_id.active = False

        def revoke(sent):
            sent.thread.with_user(self.sender).action_revoke()

        for change in (change_pin, revoke, change_address, archive):
            with self.subTest(change=change.__name__):
                self.contact.write({"active": True, "email": "clara@client.example"})
                sent = self.send(pin=PIN)
                visitor = Visitor(self)
                visitor.open_gate(self.token, pin=PIN)
                path = "/" + visitor.path
                self.assertIn(CANARY, visitor.get(path).text)
                change(sent)
                self.assertNotIn(CANARY, visitor.get(path).text)

    def test_stay_and_leave(self):
        self.send()
        self.visitor.open_gate(self.token)
        path = self.visitor.path
        hidden = self.visitor.forms()[self.visitor.form(path)][1]
        response = self.visitor.post(f"/{path}/stay", data=hidden)
        self.assertGreater(response.json()["idle_seconds"], 1700)
        self.visitor.post(f"/{path}/leave", data=hidden)
        self.assertNotIn(CANARY, self.visitor.text)
        self.assertNotIn(CANARY, self.visitor.get("/" + path).text)

    def test_statement_11_receipt_once_after_the_pin(self):
        sent = self.send(pin=PIN)
        self.visitor.open_gate(self.token, pin=WRONG_PIN)
        self.assertFalse(sent.message.sudo().secure_seen_date)
        self.visitor.submit(pin=PIN)
        seen = sent.message.sudo().secure_seen_date
        self.assertTrue(seen)
        self.visitor.get("/" + self.visitor.path)
        log = self.env["secure.access.log"].search(
            [("thread_id", "=", sent.thread.id), ("kind", "=", "read")]
        )
        self.assertEqual(len(log), 1)
        self.assertEqual(log.message_id, sent.message.id)

    def test_receipts_for_what_was_shown_only(self):
        """Messages on older pages count as read when their page is opened."""
        sent = self.send()
        values = {"thread": sent.thread, "body": "x", "direction": "inbound"}
        self.env["secure.thread"]._send(
            [dict(values) for _ in range(MESSAGES_PER_PAGE)]
        )
        self.visitor.open_gate(self.token)
        self.assertFalse(sent.message.sudo().secure_seen_date)
        [older] = set(
            re.findall(r'href="([^"]*[?]before=[0-9a-f]+)', self.visitor.text)
        )
        self.visitor.get(older.replace("&amp;", "&"))
        self.assertIn(CANARY, self.visitor.text)
        self.assertTrue(sent.message.sudo().secure_seen_date)

    def test_queries_do_not_grow_with_messages(self):
        """A conversation of 1,000 messages opens with as many queries as one of 10."""
        counts = []
        for size in (10, 60):
            sent = self.send()
            self.visitor.open_gate(self.token)
            values = {"thread": sent.thread, "direction": "internal", "body": "x"}
            self.env["secure.thread"]._send(
                [dict(values, direction="inbound") for _ in range(size)]
            )
            grant = self.env["secure.grant"].search(
                [("thread_id", "=", sent.thread.id)]
            )
            self.env["secure.page"]._conversation(grant, "/sm/c/x")
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.env["secure.page"]._conversation(grant, "/sm/c/x")
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(counts[0], counts[1])


@tagged("post_install", "-at_install")
class TestRenewal(SecureCase):
    def setUp(self):
        super().setUp()
        self.sent = self.send(pin=PIN)
        self.old_token = self.token
        self.expired = self.sent.link.sudo().expires_at + timedelta(seconds=1)

    def ask(self, token=None, moment=None):
        with at(moment or self.expired), self.gateways():
            self.visitor.get(f"/sm/{token or self.old_token}")
            self.visitor.submit(self.visitor.form("/renew"))
            self.token = self.left_token()
        return self.visitor.text

    def test_link_that_may_not_be_renewed(self):
        """Not by a form that was made up, either."""
        link = self.sent.link.sudo()
        link.renewable = False
        with at(self.expired), self.gateways():
            link._ask_renewal("192.0.2.1")
            self.leave()
        self.assertFalse(self._mails)
        self.assertEqual(link.thread_id.link_ids, link)

    def test_statement_08_new_link_replaces_the_old(self):
        self.ask()
        self.assertEqual(len(self._mails), 1)
        self.assertNotEqual(self.token, self.old_token)
        with at(self.expired):
            self.visitor.get(f"/sm/{self.old_token}")
            self.assertEqual(self.visitor.status, 410)
            self.assertFalse(
                [form for form in self.visitor.forms() if "renew" in form[0]]
            )
            self.visitor.open_gate(self.token, pin=PIN)
            self.assertIn(CANARY, self.visitor.text)

    def test_statement_31_same_answer_whatever_happens(self):
        answer = self.ask()
        self.contact.email = "elsewhere@client.example"
        sent = self.send(partner=self.other_contact)
        other = self.token
        self.other_contact.email = "gone@client.example"
        second = self.ask(other, sent.link.sudo().expires_at + timedelta(seconds=1))
        self.assertFalse(self._mails)
        self.assertEqual(answer, second)
        todo = sent.thread.activity_ids
        self.assertEqual(todo.user_id, self.sender)
        self.assertIn("address", todo.summary)

    def test_statement_32_limits(self):
        sent_count = 0
        for _ in range(5):
            with at(self.expired):
                self.sent.link.sudo().replaced_by_id = False
            self.ask()
            sent_count += len(self._mails)
        self.assertEqual(sent_count, 3)

    def test_statement_33_only_for_90_days_and_if_the_sender_allows(self):
        with at(self.expired + RENEWAL_GRACE):
            self.visitor.get(f"/sm/{self.old_token}")
            self.assertFalse(self.visitor.forms())
        self.send(renewable=False)
        with at(self.expired + timedelta(hours=1)):
            self.visitor.get(f"/sm/{self.token}")
            self.assertEqual(self.visitor.status, 410)
            self.assertFalse(self.visitor.forms())

    def test_statement_20_no_new_budget(self):
        self.env["secure.pin"]._try(self.sent.link.sudo(), WRONG_PIN, "192.0.2.1")
        rows = self.env["secure.attempt"]._read_counters(
            [("contact", str(self.contact.id))]
        )
        self.assertEqual(rows["contact"]["total"], 1)
        self.ask()
        rows = self.env["secure.attempt"]._read_counters(
            [("contact", str(self.contact.id))]
        )
        self.assertEqual(rows["contact"]["total"], 1)
