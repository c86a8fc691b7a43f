"""Statements about the page that a reviewer checks from outside, one by one."""

import re
from datetime import timedelta
from unittest.mock import patch

import requests
from freezegun import freeze_time
from lxml import html

from odoo import fields
from odoo.tests import tagged
from odoo.tools import file_open

from ..models.secure_link import RENEWAL_GRACE
from ..tools.pin_policy import RENEWALS_PER_DAY, RENEWALS_PER_HOUR
from .common import CANARY, CANARY_SUBJECT, PIN, SecureCase, Visitor

SCANNERS = {
    "plain": {},
    "prefetch": {"Purpose": "prefetch", "Sec-Purpose": "prefetch;prerender"},
    "preview": {"User-Agent": "facebookexternalhit/1.1"},
    "mail scanner": {
        "User-Agent": "Mozilla/5.0 SafeLinks",
        "Sec-Fetch-Mode": "navigate",
    },
}


def at(moment):
    return freeze_time(moment, tick=True)


class PageCase(SecureCase):
    def screens(self):
        """(name, response) of each kind of answer the page gives."""
        yield from self.screens_with_pin()
        yield from self.screens_with_code()
        yield from self.screens_of_consent()

    def screens_with_pin(self):
        sent = self.send(pin=PIN, attachments=[("a.txt", b"x")], expiry_hours=240)
        visitor = Visitor(self)
        yield "gate", visitor.get(f"/sm/{self.token}")
        yield "wrong PIN", visitor.submit(pin="111222")
        opened = visitor.submit(pin=PIN)
        yield "redirect", opened.history[-1]
        yield "conversation", opened
        page, url = (
            "/" + visitor.path,
            re.search(r'href="([^"]*/f/[^"]*)"', opened.text),
        )
        _action, hidden = visitor.forms()[visitor.form(visitor.path)]
        yield "news", visitor.get(f"{page}/news")
        yield "stay", visitor.post(f"{page}/stay", data=hidden)
        yield "file", visitor.get(url[1])
        yield "no file", visitor.get(f"{page}/f/{'0' * 32}")
        yield "refused reply", visitor.post(page, data={**hidden, "reply_key": "a1"})
        yield (
            "reply",
            visitor.post(page, data={**hidden, "reply_key": "a2", "body": "<b>x</b>"}),
        )
        yield "old form", visitor.post(page, data={"body": "x"})
        yield "closed", visitor.post(f"{page}/leave", data=hidden)
        yield "no door", Visitor(self).get(page)
        yield "unknown", visitor.get("/sm/" + "0" * 33)
        other = Visitor(self)
        other.open_gate(self.token, pin=PIN)
        page, (_action, hidden) = "/" + other.path, other.forms()[0]
        with at(sent.link.sudo().expires_at + timedelta(seconds=1)), self.gateways():
            yield "expired", visitor.get(f"/sm/{self.token}")
            yield "renewal asked", visitor.submit(visitor.form("/renew"))
            renewed = other.post(f"{page}/renew", data=hidden)
            yield "renewal asked from inside", renewed
        sent.thread.with_user(self.sender).action_revoke()
        yield "withdrawn", visitor.get(f"/sm/{self.token}")

    def screens_with_code(self):
        usual = self.company.secure_pin_source
        self.company.secure_pin_source = "code"
        sent, visitor = self.send(), Visitor(self)
        gate = f"/sm/{self.token}"
        yield "gate for a code", visitor.get(gate)
        with self.gateways():
            asked = visitor.submit(visitor.form("/code"))
        yield "redirect to the gate", asked.history[-1]
        yield "code asked for", asked
        digits = self.env["secure.code"]._of(sent.link)._digits()
        wrong = f"{(int(digits) + 1) % 10**6:06d}"
        yield "wrong code", visitor.submit(visitor.form(gate), pin=wrong)
        opened = visitor.submit(visitor.form(gate), pin=digits)
        self.assertIn(CANARY, opened.text)
        door = "/" + visitor.path
        self.env["secure.grant"].search([("link_id", "=", sent.link.id)])._end()
        yield "closed by itself", visitor.get(door)
        with self.gateways():
            yield "code asked for again", visitor.submit(visitor.form("/code"))
        yield "used code", visitor.submit(visitor.form("/open"), pin=digits)
        self.company.secure_pin_source = usual

    def screens_of_consent(self):
        self.company.write(
            {"secure_consent_text": "May we?", "secure_consent_for": "everybody"}
        )
        self.send()
        visitor = Visitor(self)
        yield "consent asked for", visitor.open_gate(self.token)
        door = "/" + visitor.path
        for answer in ("declined", "agreed"):
            answered = visitor.submit(visitor.form("/consent"), answer=answer)
            yield f"redirect after {answer}", answered.history[-1]
            yield answer, answered
        yield "consent to be withdrawn", visitor.get(f"{door}/consent")
        withdrawn = visitor.submit(visitor.form("/consent"), answer="withdrawn")
        yield "consent withdrawn", withdrawn
        self.company.secure_consent_text = "May we please?"
        changed = visitor.submit(visitor.form("/consent"), answer="agreed")
        self.assertEqual(changed.status_code, 409)
        yield "text changed meanwhile", changed


@tagged("post_install", "-at_install")
class TestAnswers(PageCase):
    def test_every_route_has_a_screen(self):
        """Else the statements below would not be about it."""
        asked = [
            response.request
            for _name, last in self.screens()
            for response in (*last.history, last)
        ]
        missing = [
            (route.method, route.path)
            for route in self.page_routes()
            if not any(route.is_asked_by(request) for request in asked)
        ]
        self.assertFalse(missing, "add what they answer to the screens")

    def test_statement_04_no_token_behind_the_gate_and_nothing_of_third_parties(self):
        for name, response in self.screens():
            with self.subTest(screen=name):
                self.assertEqual(response.headers["Referrer-Policy"], "no-referrer")
                if "/sm/c/" in response.url:
                    self.assertNotIn(self.token, response.text)
                    self.assertNotIn(self.token, str(response.headers))
                if not response.headers["Content-Type"].startswith("text/html"):
                    continue
                if response.status_code == 303:
                    goes_in = name != "redirect to the gate"
                    target = response.headers["Location"]
                    self.assertEqual(self.token not in target, goes_in)
                    continue
                page = html.fromstring(response.text.encode())
                for address in page.xpath("//link/@href | //@src | //form/@action"):
                    self.assertRegex(address, r"^(/(?!/)|data:)", address)

    def test_statement_28_nothing_is_stored_on_the_way(self):
        for name, response in self.screens():
            with self.subTest(screen=name):
                self.assertEqual(response.headers["Cache-Control"], "no-store")

    def test_statement_29_policy_of_each_answer(self):
        for name, response in self.screens():
            with self.subTest(screen=name):
                headers = response.headers
                self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
                self.assertEqual(headers["X-Frame-Options"], "DENY")
                self.assertIn("noindex", headers["X-Robots-Tag"])
                if name in ("news", "stay"):
                    self.assertEqual(
                        headers["Content-Type"].split(";")[0], "application/json"
                    )
                    continue
                policy = headers["Content-Security-Policy"]
                self.assertIn("default-src 'none'", policy)
                self.assertNotIn("unsafe", policy)
                if name == "file":
                    self.assertIn("sandbox", policy)
                    continue
                self.assertIn("frame-ancestors 'none'", policy)
                if response.status_code != 303:
                    self.assertNothingInline(response)

    def assertNothingInline(self, response):
        page = html.fromstring(response.text.encode())
        for script in page.xpath("//script"):
            self.assertTrue(script.get("src"))
            self.assertFalse((script.text or "").strip())
        self.assertFalse(page.xpath("//style | //*[@style] | //base | //iframe"))
        handlers = [
            name for name in page.xpath("//@*") if name.attrname.startswith("on")
        ]
        self.assertFalse(handlers)

    def test_statement_06_address_in_mails_is_not_the_request_s(self):
        sent = self.send(pin=PIN)
        base = self.company.get_base_url()
        forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        with at(sent.link.sudo().expires_at + timedelta(seconds=1)), self.gateways():
            self.visitor.get(f"/sm/{self.token}", headers=forged)
            self.assertNotIn("evil.example", self.visitor.text)
            action, hidden = self.visitor.forms()[self.visitor.form("/renew")]
            self.visitor.post(action, data=hidden, headers=forged)
            self.assertEqual(len(self._mails), 1)
            self.assertIn(f"{base}/sm/", self.left_text())
            self.assertNotIn("evil.example", self.left_text())


@tagged("post_install", "-at_install")
class TestScanners(PageCase):
    def test_statement_09_no_row_of_any_table_changes(self):
        sent = self.send(pin=PIN)
        expired = self.send(partner=self.other_contact)
        expired_token = self.token
        expired.link.sudo().expires_at = fields.Datetime.now() - timedelta(hours=1)
        self.send()
        tokens = (self.token, expired_token, "0" * 33, self.token[:-1] + "x")
        before = self.rows_of()
        visitor = Visitor(self)
        for name, headers in SCANNERS.items():
            for method in ("GET", "HEAD", "OPTIONS"):
                for token in tokens:
                    for path in (f"/sm/{token}", f"/sm/{token}/renew"):
                        with self.subTest(scanner=name, method=method, path=path):
                            visitor._request(method, path, headers=headers)
                            self.assertLess(visitor.status, 500)
                            self.assertNotIn("session_id", visitor.opener.cookies)
        self.assertEqual(self.rows_of(), before)
        self.assertFalse(sent.message.sudo().secure_seen_date)

    def test_statement_10_there_is_nothing_for_a_script_to_run_at_the_gate(self):
        """The script sends by three `fetch` and one `requestSubmit`; each belongs to a
        part that the gate does not have. In a real browser: `make page`."""
        for pin in (PIN, False):
            self.send(pin=pin)
            gate = html.fromstring(self.visitor.get(f"/sm/{self.token}").text.encode())
            for part in ("idle", "reply-form", "conversation", "stay"):
                self.assertFalse(gate.xpath(f"//*[@id='{part}']"), part)
            refresh = gate.xpath("//meta[@http-equiv] | //link[@rel='prerender']")
            self.assertFalse(refresh)
        with file_open("secure_messaging/static/src/page/page.js") as stream:
            script = stream.read()
        self.assertEqual(script.count("fetch("), 3)
        self.assertEqual(script.count("requestSubmit("), 1)
        for other in (
            ".submit()",
            "XMLHttpRequest",
            "sendBeacon",
            "WebSocket",
            "eval(",
        ):
            self.assertNotIn(other, script)
        parts = re.split(r"(?m)^(?=class |function |const |let )", script)
        senders = {
            re.match(r"class (\w+)", part)[1]
            for part in parts
            if "fetch(" in part or "requestSubmit(" in part
        }
        self.assertEqual(senders, {"Reply", "Idle", "News"})

    def test_statement_12_the_server_does_not_visit_its_own_links(self):
        """Neither for a preview nor to shorten it."""
        asked = []

        def refuse(_session, method, url, **_kwargs):
            asked.append(url)
            raise requests.exceptions.ConnectionError(method)

        with patch.object(requests.Session, "request", refuse):
            sent = self.send()
            self.env["sms.sms"].search([]).send()
            self.send(channel="sms")
            message = sent.message.sudo()
            self.env["mail.link.preview"]._create_from_message_and_notify(message)
        self.assertFalse([url for url in asked if "/sm/" in url])
        for model in ("mail.link.preview", "link.tracker"):
            if model in self.env:
                urls = " ".join(
                    str(row) for row in self.env[model].sudo().search([]).read()
                )
                self.assertNotIn("/sm/", urls)
        self.assertFalse(sent.link.sudo().opened_at)

    def test_statement_12_no_search_engine(self):
        """Of all routes of the page; each answer also says so (statement 29)."""
        routes = self.page_routes()
        self.assertIn("/sm/c/<string:handle>/consent", {one.path for one in routes})
        for route in routes:
            with self.subTest(path=route.path, method=route.method):
                self.assertFalse(route.routing["sitemap"])
                self.assertEqual(route.routing["auth"], "none")
                self.assertFalse(route.routing["save_session"])

    def test_statement_13_no_pixel(self):
        """The notification loads nothing that would tell who opened it, and opening it
        is no event of ours."""
        sent = self.send()
        [mail] = self._mails
        for image in re.findall(r"<img[^>]*>", mail["body"]):
            self.assertNotRegex(image, r"track|blank\.gif|pixel")
            self.assertNotIn(self.token, image)
        log = self.env["secure.access.log"].search([("link_id", "=", sent.link.id)])
        self.assertEqual(set(log.mapped("kind")), {"sent", "delivered"})
        self.visitor.get(f"/sm/{self.token}")
        self.assertFalse(sent.message.sudo().secure_seen_date)


@tagged("post_install", "-at_install")
class TestRenewing(PageCase):
    """Several links of one conversation, and what the holder of each is told."""

    def ask(self, token):
        """Ask at the gate for a new link.

        :return: (status and text of the answer, the new token)
        """
        visitor = Visitor(self)
        with self.gateways():
            visitor.get(f"/sm/{token}")
            visitor.submit(visitor.form("/renew"))
            answer = visitor.status, visitor.text
            return answer, self.left_token()

    def gate(self, token):
        visitor = Visitor(self)
        visitor.get(f"/sm/{token}")
        return visitor.status, visitor.text

    def test_links_live_side_by_side_and_the_shorter_expiry_counts(self):
        first = self.send(expiry_hours=8760)
        first_token = self.token
        second = self.send(thread=first.thread, expiry_hours=24)
        for token in (first_token, self.token):
            visitor = Visitor(self)
            visitor.open_gate(token)
            self.assertIn(CANARY, visitor.text)
        self.assertEqual(first.link.sudo().expires_at, second.link.sudo().expires_at)
        with at(second.link.sudo().expires_at + timedelta(seconds=1)):
            self.assertEqual(self.gate(first_token)[0], 410)

    def test_statement_08_a_renewed_link_retires_all_others(self):
        first = self.send()
        first_token = self.token
        self.send(thread=first.thread)
        second_token = self.token
        moment = first.link.sudo().expires_at + timedelta(seconds=2)
        with at(moment):
            _answer, new = self.ask(second_token)
            for token in (first_token, second_token):
                status, text = self.gate(token)
                self.assertEqual(status, 410)
                self.assertIn("There is a newer link", text)
                for hidden in ("clara", "client.example", CANARY_SUBJECT, "/renew"):
                    self.assertNotIn(hidden, text)
            self.assertEqual(self.gate(new)[0], 200)
            forged = first_token[:-1] + ("A" if first_token[-1] != "A" else "B")
            self.assertEqual(self.gate(forged)[0], 404)

    def test_statement_31_one_answer(self):
        """Sent, no address, moved, archived meanwhile, rationed: alike to the byte."""
        answers = {}
        for case in ("sent", "moved", "no address", "not allowed now", "rationed"):
            contact = self.contact.copy({"email": "one@client.example", "name": "N"})
            sent = self.send(partner=contact)
            token = self.token
            with at(sent.link.sudo().expires_at + timedelta(seconds=2)):
                if case == "moved":
                    contact.email = "other@client.example"
                elif case == "no address":
                    contact.email = False
                elif case == "not allowed now":
                    self.company.secure_pin_required = True
                elif case == "rationed":
                    self.patch(
                        type(self.env["secure.attempt"]),
                        "_allow",
                        lambda *args, **kwargs: False,
                    )
                (status, text), new = self.ask(token)
                self.company.secure_pin_required = False
            self.assertEqual(bool(new), case == "sent", case)
            answers[case] = status, re.sub(r"[0-9A-Za-z]{32,}", "", text)
            self.assertNotIn("one@", text)
            self.assertNotIn("client.example", text)
        self.assertEqual(len(set(answers.values())), 1)

    def test_statement_32_by_the_hour_and_by_the_day(self):
        """Counted for the contact, over all links; and nobody is told."""
        start = fields.Datetime.now()
        sent = 0
        answers = set()
        for hour in range(6):
            for number in range(RENEWALS_PER_HOUR + 1):
                done = self.send()
                token = self.token
                done.link.sudo().expires_at = start - timedelta(seconds=1)
                with at(start + timedelta(hours=hour, minutes=5 + number)):
                    answer, new = self.ask(token)
                sent += bool(new)
                answers.add(re.sub(r"[0-9A-Za-z]{32,}", "", answer[1]))
            if hour == 0:
                self.assertEqual(sent, RENEWALS_PER_HOUR)
        self.assertEqual(sent, RENEWALS_PER_DAY)
        self.assertEqual(len(answers), 1)

    def test_statement_33_what_cannot_be_renewed(self):
        """Withdrawn, archived, not wanted by the sender, too old: neither offered nor
        given to who sends the form all the same."""

        def revoke(sent):
            sent.thread.with_user(self.sender).action_revoke()

        cases = {
            "withdrawn": revoke,
            "contact archived": lambda sent: sent.thread.partner_id.write(
                {"active": False}
            ),
            "conversation archived": lambda sent: sent.thread.write({"active": False}),
            "not renewable": lambda sent: sent.link.sudo().write({"renewable": False}),
            "too old": lambda sent: sent.link.sudo().write(
                {"expires_at": fields.Datetime.now() - RENEWAL_GRACE}
            ),
        }
        for case, change in cases.items():
            with self.subTest(case=case):
                sent = self.send(partner=self.contact.copy({"name": case}))
                token = self.token
                sent.link.sudo().expires_at = fields.Datetime.now()
                visitor = Visitor(self)
                visitor.get(f"/sm/{token}")
                action, hidden = visitor.forms()[visitor.form("/renew")]
                change(sent)
                status, text = self.gate(token)
                self.assertEqual(status, 410)
                self.assertNotIn("/renew", text)
                with self.gateways():
                    visitor.post(action, data=hidden)
                    self.assertFalse(self._mails)
                self.assertEqual(len(sent.thread.sudo().link_ids), 1)

    def test_statement_54_without_script(self):
        """The test's browser has none: PIN, reading, replying, staying, renewing."""
        sent = self.send(pin=PIN)
        self.visitor.open_gate(self.token, pin=PIN)
        self.assertIn(CANARY, self.visitor.text)
        self.visitor.submit(self.visitor.form(self.visitor.path), body="an answer")
        self.assertIn("an answer", self.visitor.text)
        self.visitor._request(
            "POST",
            f"/{self.visitor.path}/stay",
            data=self.visitor.forms()[self.visitor.form("/stay")][1],
            headers={"Accept": "text/html"},
        )
        self.assertIn("an answer", self.visitor.text)
        with at(sent.link.sudo().expires_at + timedelta(seconds=1)):
            (status, _text), new = self.ask(self.token)
            self.assertEqual(status, 200)
            self.visitor.open_gate(new, pin=PIN)
            self.assertIn("an answer", self.visitor.text)
