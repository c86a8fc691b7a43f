"""Doors: what opens them, what ends them, and what is not lost when they end."""

import re
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields
from odoo.tests import tagged
from odoo.tools import config

from ..models.secure_grant import GRANT_ABSOLUTE, GRANT_IDLE, GRANT_KEPT
from ..models.secure_keyring import KeysUnavailable
from ..models.secure_link import DOORS
from .common import CANARY, CANARY_REPLY, PIN, WRONG_PIN, SecureCase, Visitor

NEW_PIN = "274918"


def at(moment):
    return freeze_time(moment, tick=True)


class DoorCase(SecureCase):
    """Conversations that stand open in a browser."""

    def open_door(self, pin=PIN, **values):
        """:return: (``Sent``, visitor) with the door open"""
        values.setdefault("attachments", [("report.txt", b"FILE-INSIDE")])
        sent = self.send(pin=pin, expiry_hours=240, **values)
        visitor = Visitor(self)
        visitor.open_gate(self.token, pin=pin)
        self.assertIn(CANARY, visitor.text)
        return sent, visitor

    def grant_of(self, sent):
        grants = self.env["secure.grant"].search([("thread_id", "=", sent.thread.id)])
        return grants.sorted("id")[-1]

    def kept(self, sent):
        """The texts that wait behind the doors of a conversation."""
        grants = self.env["secure.grant"].search([("thread_id", "=", sent.thread.id)])
        return [text for grant in grants if (text := grant._draft())]

    def reply_form(self, visitor):
        return visitor.forms()[visitor.form(visitor.path)]


@tagged("post_install", "-at_install")
class TestWhatEndsAGrant(DoorCase):
    """Each end, at the next request, on each route of the door."""

    def ends(self):
        def merge(sent):
            twin = sent.thread.partner_id.copy({"email": "clara@client.example"})
            wizard = self.env["base.partner.merge.automatic.wizard"].create({})
            wizard._merge([twin.id, sent.thread.partner_id.id], twin)

        return {
            "links withdrawn": lambda sent: sent.thread.with_user(
                self.sender
            ).action_revoke(),
            "conversation archived": lambda sent: sent.thread.write({"active": False}),
            "contact archived": lambda sent: sent.thread.partner_id.write(
                {"active": False}
            ),
            "contact merged": merge,
            "address changed": lambda sent: sent.thread.partner_id.write(
                {"email": "new@client.example"}
            ),
            "address removed": lambda sent: sent.thread.partner_id.write(
                {"email": False}
            ),
            "PIN changed": lambda sent: self.set_pin(sent.thread, NEW_PIN),
            "message withdrawn": lambda sent: sent.thread.with_user(
                self.sender
            ).action_withdraw_message(sent.message.id),
            "closed by its reader": lambda sent: self.grant_of(sent)._end(),
            "link shortened": lambda sent: sent.link.sudo().write(
                {"expires_at": fields.Datetime.now()}
            ),
        }

    def routes(self, visitor):
        """The requests an open page can make, closing it last: (method, ending of its
        address) by (request)."""
        page = "/" + visitor.path
        _action, hidden = self.reply_form(visitor)
        [file] = set(re.findall(r'href="(/sm/c/[^"]*/f/[^"]*)"', visitor.text))

        def post(ending, **form):
            return lambda: visitor.post(page + ending, data={**hidden, **form})

        routes = {
            ("GET", ""): lambda: visitor.get(page),
            ("GET", "?before=" + "0" * 32): lambda: visitor.get(
                page + "?before=" + "0" * 32
            ),
            ("GET", "/f/<string:uid>"): lambda: visitor.get(file),
            ("GET", "/news"): lambda: visitor.get(page + "/news"),
            ("GET", "/consent"): lambda: visitor.get(page + "/consent"),
            ("POST", "/consent"): post("/consent", answer="withdrawn"),
            ("POST", "/stay"): post("/stay"),
            ("POST", ""): lambda: visitor.post(
                page,
                data={**hidden, "body": "TOO-LATE"},
                files={"files": ("late.txt", b"late")},
            ),
            ("POST", "/open"): post("/open", pin=WRONG_PIN),
            ("POST", "/code"): post("/code"),
            ("POST", "/renew"): post("/renew"),
            ("POST", "/leave"): post("/leave"),
        }
        known = {
            (route.method, route.ending)
            for route in self.page_routes()
            if route.is_door
        }
        missing = known - set(routes)
        self.assertFalse(missing, "add how an open page asks for them")
        return routes

    def test_statement_27_every_end_on_every_route(self):
        for name, end in self.ends().items():
            with self.subTest(end=name):
                sent, visitor = self.open_door(
                    partner=self.contact.copy({"email": "clara@client.example"})
                )
                self.agree(sent)
                routes = self.routes(visitor)
                file = routes["GET", "/f/<string:uid>"]()
                self.assertEqual(file.content, b"FILE-INSIDE")
                consent = routes["GET", "/consent"]()
                self.assertIn("Withdraw your consent?", consent.text)
                end(sent)
                before = self.rows_of("mail_message", "secure_consent")
                for route, ask in routes.items():
                    with self.subTest(end=name, route=route), self.gateways():
                        response = ask()
                        self.assertNotIn(CANARY, response.text)
                        self.assertNotIn("FILE-INSIDE", response.text)
                        self.assertNotIn("late.txt", response.text)
                        self.assertNotIn("CONSENT-TEXT", response.text)
                        after = self.rows_of("mail_message", "secure_consent")
                        self.assertEqual(after, before)
                        if route in (("GET", "/news"), ("POST", "/stay")):
                            self.assertEqual(response.status_code, 403)
                            self.assertEqual(response.json(), {"idle_seconds": 0})

    def agree(self, sent):
        """As the contact, to a text that need not be agreed to."""
        self.company.secure_consent_text = "CONSENT-TEXT"
        version = self.env["secure.consent.text"]._current(self.company)
        grant = self.grant_of(sent)
        self.env["secure.consent"]._record(grant, "agreed", version, "192.0.2.1")

    def test_statement_27_archived_sender_changes_nothing(self):
        sent, visitor = self.open_door()
        sent.thread.with_env(self.env).responsible_id.active = False
        self.assertIn(CANARY, visitor.get("/" + visitor.path).text)

    def test_statement_34_on_every_route(self):
        """To the second, for whoever is inside."""
        sent, visitor = self.open_door()
        moment = fields.Datetime.now() + timedelta(minutes=10)
        sent.link.sudo().expires_at = moment
        self.agree(sent)
        routes = self.routes(visitor)
        # For which the time has come just then
        routes.pop(("POST", "/renew"))
        with at(moment - timedelta(seconds=4)):
            for route, ask in routes.items():
                if route[0] == "GET" or route[1] == "/stay":
                    with self.subTest(route=route, open=True):
                        self.assertEqual(ask().status_code, 200)
        with at(moment + timedelta(seconds=1)):
            for route, ask in routes.items():
                with self.subTest(route=route, open=False):
                    self.assertGreaterEqual(ask().status_code, 400)


@tagged("post_install", "-at_install")
class TestWhatIsNotLost(DoorCase):
    """Whatever ends a door, what was half typed is kept or handed back."""

    def send_text(self, visitor, text=CANARY_REPLY, **form):
        action, hidden = self.reply_form(visitor)
        return lambda: visitor.post(action, data={**hidden, "body": text, **form})

    def test_never_shown_before_the_pin(self):
        sent, visitor = self.open_door()
        send = self.send_text(visitor)
        with at(fields.Datetime.now() + GRANT_IDLE + timedelta(seconds=2)):
            send()
            self.assertEqual(visitor.status, 200)
            self.assertIn("has been kept", visitor.text)
            self.assertNotIn(CANARY_REPLY, visitor.text)
            visitor.submit(pin=WRONG_PIN)
            self.assertEqual(visitor.status, 403)
            self.assertIn("has been kept", visitor.text)
            self.assertNotIn(CANARY_REPLY, visitor.text)
            visitor.submit(pin=PIN)
            self.assertIn(f">{CANARY_REPLY}</textarea>", visitor.text)
        self.assertEqual(len(sent.thread.message_ids), 1)
        self.assertEqual(self.kept(sent), [CANARY_REPLY])

    def test_no_leak_of_what_is_kept(self):
        _sent, visitor = self.open_door()
        send = self.send_text(visitor)
        with (
            self.leak_scan() as scan,
            at(fields.Datetime.now() + GRANT_IDLE + timedelta(seconds=2)),
        ):
            send()
            visitor.submit(pin=PIN)
            self.assertIn(CANARY_REPLY, visitor.text)
            self.assertNoLeak(scan, self.token, PIN)

    def test_after_a_new_pin(self):
        """Kept before: found behind it. Sent after: handed back, to be copied."""
        sent, visitor = self.open_door()
        self.send_text(visitor, "kept before", resume="1")()
        send = self.send_text(visitor)
        self.set_pin(sent.thread, NEW_PIN)
        send()
        self.assertIn(f">{CANARY_REPLY}</textarea>", visitor.text)
        self.assertNotIn("has been kept", visitor.text)
        self.assertNotIn("kept before", visitor.text)
        visitor.submit(pin=PIN)
        self.assertEqual(visitor.status, 403)
        self.assertNotIn("kept before", visitor.text)
        visitor.submit(pin=NEW_PIN)
        self.assertIn(">kept before</textarea>", visitor.text)
        self.assertNotIn(CANARY_REPLY, visitor.text)

    def test_statement_27_who_was_shut_out_puts_no_words_behind_the_door(self):
        """Neither into the reply box of the client who has the new PIN, nor of whoever
        the conversation belongs to by then."""
        ways = {
            "new PIN": lambda sent: self.set_pin(sent.thread, NEW_PIN),
            "new address": lambda sent: sent.thread.partner_id.write(
                {"email": f"new{sent.thread.id}@client.example"}
            ),
            "merged": TestWhatEndsAGrant.ends(self)["contact merged"],
            "withdrawn": lambda sent: sent.thread.with_user(
                self.sender
            ).action_revoke(),
        }
        for name, shut_out in ways.items():
            for later in (timedelta(0), GRANT_IDLE + timedelta(seconds=2)):
                with self.subTest(way=name, later=later):
                    # Merged ones are gone
                    own = {"name": "Cleo", "email": "clara@client.example"}
                    contact = self.env["res.partner"].create(own)
                    sent, thief = self.open_door(partner=contact)
                    send = self.send_text(thief)
                    shut_out(sent)
                    with at(fields.Datetime.now() + later):
                        send()
                        self.assertIn(f">{CANARY_REPLY}</textarea>", thief.text)
                        self.assertNotIn(CANARY, thief.text)
                        self.assertEqual(self.kept(sent), [])
                        door, _secret = self.env["secure.grant"]._open(sent.link)
                        self.assertEqual(door._draft(), "")

    def test_behind_a_new_link_after_the_old_one_expired(self):
        """By the page's own button, in another browser too."""
        sent, visitor = self.open_door()
        send = self.send_text(visitor)
        moment = fields.Datetime.now() + timedelta(minutes=1)
        sent.link.sudo().expires_at = moment
        with at(moment + timedelta(seconds=1)), self.gateways():
            send()
            self.assertEqual(visitor.status, 410)
            self.assertIn("has been kept", visitor.text)
            visitor.submit(visitor.form("/renew"))
            self.assertIn("check your email", visitor.text)
            token = self.left_token()
            other = Visitor(self)
            other.open_gate(token, pin=PIN)
            self.assertIn(CANARY_REPLY, other.text)
            other.submit(other.form(other.path), body=CANARY_REPLY)
        self.assertEqual(self.kept(sent), [])

    def test_kept_for_a_day_only(self):
        sent, visitor = self.open_door()
        send = self.send_text(visitor)
        grant = self.grant_of(sent)
        with at(grant.expires_at + timedelta(seconds=1)):
            send()
        with at(grant.expires_at + GRANT_KEPT + timedelta(seconds=1)):
            self.env["secure.grant"]._gc_expired()
        self.assertFalse(grant.exists())

    def test_not_lost_with_the_oldest_door(self):
        """One link keeps some doors only; the one that falls off holds a text."""
        sent, visitor = self.open_door()
        send = self.send_text(visitor)
        grants = self.env["secure.grant"]
        doors = [grants._open(sent.link)[0] for _number in range(DOORS - 1)]
        with at(fields.Datetime.now() + GRANT_IDLE + timedelta(seconds=2)):
            send()
            door, _secret = grants._open(sent.link)
            self.assertEqual(door._draft(), CANARY_REPLY)
        found = grants.search([("link_id", "=", sent.link.id)], order="id")
        self.assertEqual(found.ids, [*(door.id for door in doors), door.id])

    def test_not_taken_from_a_door_that_is_open(self):
        """Two browsers at once: each keeps what was typed in it."""
        sent, visitor = self.open_door()
        self.send_text(visitor, resume="1")()
        other = Visitor(self)
        other.open_gate(self.token, pin=PIN)
        self.assertNotIn(CANARY_REPLY, other.text)
        self.assertIn(CANARY_REPLY, visitor.get("/" + visitor.path).text)
        self.assertEqual(len(sent.thread.message_ids), 1)

    def test_not_found_in_another_conversation(self):
        _sent, visitor = self.open_door()
        send = self.send_text(visitor)
        with at(fields.Datetime.now() + GRANT_IDLE + timedelta(seconds=2)):
            send()
            _other, second = self.open_door()
            self.assertNotIn(CANARY_REPLY, second.text)

    def test_handed_back_where_there_is_no_way_in(self):
        for name in ("withdrawn", "archived", "browser forgot", "form not genuine"):
            with self.subTest(case=name):
                sent, visitor = self.open_door()
                send = self.send_text(visitor)
                if name == "withdrawn":
                    sent.thread.with_user(self.sender).action_revoke()
                elif name == "archived":
                    sent.thread.active = False
                elif name == "browser forgot":
                    visitor.opener.cookies.clear()
                else:
                    send = self.send_text(visitor, form_token="x")
                send()
                self.assertGreaterEqual(visitor.status, 400)
                self.assertIn(f">{CANARY_REPLY}</textarea>", visitor.text)
                self.assertNotIn(CANARY, visitor.text)
                replies = sent.thread.message_ids.filtered(
                    lambda message: message.sudo().secure_direction == "inbound"
                )
                self.assertFalse(replies)

    def test_handed_back_while_the_key_is_missing(self):
        sent, visitor = self.open_door()
        send = self.send_text(visitor)

        def refuse(*args):
            raise KeysUnavailable("no key")

        with patch.object(type(self.env["secure.grant"]), "_take_reply", refuse):
            send()
        self.assertEqual(visitor.status, 503)
        self.assertIn(f">{CANARY_REPLY}</textarea>", visitor.text)
        send()
        self.assertEqual(visitor.status, 200)
        self.assertEqual(len(sent.thread.message_ids), 2)

    def test_words_of_another_site_are_not_shown(self):
        _sent, visitor = self.open_door()
        for data in ({"body": "FOREIGN"}, {"body": "FOREIGN", "form_token": "x"}):
            visitor.post(
                "/" + visitor.path,
                data=data,
                headers={"Sec-Fetch-Site": "cross-site"},
            )
            self.assertGreaterEqual(visitor.status, 400)
            self.assertNotIn("FOREIGN", visitor.text)

    def test_saved_before_the_absolute_end(self):
        """“Save and come in again”: the door closes, the text is behind the PIN."""
        sent, visitor = self.open_door()
        self.send_text(visitor, resume="again")()
        self.assertIn("has been kept", visitor.text)
        self.assertNotIn(CANARY, visitor.text)
        visitor.submit(pin=PIN)
        self.assertIn(CANARY_REPLY, visitor.text)
        self.assertEqual(len(sent.thread.message_ids), 1)

    def test_an_emptied_form_does_not_take_it_away(self):
        """The script hands the text over as the page closes, and “Continue” follows
        with an empty form."""
        _sent, visitor = self.open_door()
        self.send_text(visitor, resume="1")()
        self.send_text(visitor, text="", resume="1")()
        self.assertIn(CANARY_REPLY, visitor.text)


@tagged("post_install", "-at_install")
class TestTimeLeft(DoorCase):
    """What the page is told of its end, so that it can warn before it."""

    def stay(self, visitor, hidden):
        return visitor.post("/" + visitor.path + "/stay", data=hidden)

    def test_statement_26_idle_end_can_be_put_off(self):
        _sent, visitor = self.open_door()
        start, (_action, hidden) = fields.Datetime.now(), self.reply_form(visitor)
        path = visitor.path
        self.assertIn('data-seconds="1800"', visitor.text)
        self.assertIn('data-final=""', visitor.text)
        with at(start + timedelta(minutes=29)):
            answer = visitor.post(f"/{path}/stay", data=hidden).json()
            self.assertEqual(answer["final"], "")
            self.assertGreater(answer["idle_seconds"], 1790)
        with at(start + timedelta(minutes=58)):
            self.assertIn(CANARY, visitor.get("/" + path).text)

    def test_statement_26_staying_does_not_pass_the_absolute_end(self):
        sent, visitor = self.open_door()
        start, (_action, hidden) = fields.Datetime.now(), self.reply_form(visitor)
        path = visitor.path
        grant = self.grant_of(sent)
        near = start + GRANT_ABSOLUTE - timedelta(minutes=10)
        grant.idle_until = near + timedelta(minutes=1)
        with at(near):
            answer = visitor.post(f"/{path}/stay", data=hidden).json()
            self.assertEqual(answer["final"], "grant")
            self.assertLessEqual(answer["idle_seconds"], 600)
            visitor.get("/" + path)
            self.assertIn('data-final="grant"', visitor.text)
        with at(grant.expires_at + timedelta(seconds=1)):
            self.assertNotIn(CANARY, visitor.get("/" + path).text)

    def test_statement_26_nor_the_end_of_the_link(self):
        sent, visitor = self.open_door()
        sent.link.sudo().expires_at = fields.Datetime.now() + timedelta(minutes=5)
        _action, hidden = self.reply_form(visitor)
        answer = visitor.post(f"/{visitor.path}/stay", data=hidden).json()
        self.assertEqual(answer["final"], "link")
        self.assertLessEqual(answer["idle_seconds"], 300)

    def test_statement_26_a_new_secret_after_each_pin(self):
        sent, visitor = self.open_door()
        first = visitor.path
        cookie = visitor.opener.cookies.get_dict(path="/" + first)["sm"]
        visitor.open_gate(self.token, pin=PIN)
        self.assertNotEqual(visitor.path, first)
        self.assertNotEqual(
            visitor.opener.cookies.get_dict(path="/" + visitor.path)["sm"], cookie
        )
        grants = self.env["secure.grant"].search([("thread_id", "=", sent.thread.id)])
        self.assertEqual(len(grants), 2)
        stored = grants.sudo().mapped("cookie_hash")
        self.assertNotIn(cookie, stored)

    def test_statement_28_back_after_closing_shows_nothing(self):
        _sent, visitor = self.open_door()
        page = "/" + visitor.path
        self.assertEqual(visitor.response.headers["Cache-Control"], "no-store")
        visitor.submit(visitor.form("/leave"))
        self.assertNotIn(CANARY, visitor.text)
        self.assertNotIn(CANARY, visitor.get(page).text)
        self.assertEqual(visitor.response.headers["Cache-Control"], "no-store")

    def test_closed_once_in_the_log_too(self):
        """Also by who comes back to a page that is closed."""
        sent, visitor = self.open_door()
        action, hidden = visitor.forms()[visitor.form("/leave")]
        grant = self.grant_of(sent)
        cookies = visitor.opener.cookies.copy()
        for _press in range(2):
            visitor.opener.cookies.update(cookies)
            visitor.post(action, data=hidden)
        self.assertFalse(grant._holds())
        rows = self.env["secure.access.log"].search(
            [("thread_id", "=", sent.thread.id), ("kind", "=", "left")]
        )
        self.assertEqual(len(rows), 1)


@tagged("post_install", "-at_install")
class TestCookie(DoorCase):
    def test_what_is_no_handle_finds_nothing(self):
        grants = self.env["secure.grant"]
        for handle in (None, "", "short", "a" * 23, "é" * 22):
            self.assertEqual(grants._find(handle, "x"), grants)

    def cookie_header(self, **headers):
        self.send(pin=PIN)
        visitor = Visitor(self)
        visitor.get(f"/sm/{self.token}", headers=headers)
        action, hidden = visitor.forms()[0]
        # The one it was given is for HTTPS, which this browser does not speak
        visitor.opener.cookies.set("sm_ok", "1", path="/sm")
        response = visitor.post(
            action,
            data={**hidden, "pin": PIN},
            headers=headers,
            allow_redirects=False,
        )
        self.assertEqual(response.status_code, 303)
        return response.headers["Set-Cookie"], response.headers["Location"]

    @contextmanager
    def proxy_mode(self, value):
        before = config["proxy_mode"]
        config["proxy_mode"] = value
        try:
            yield
        finally:
            config["proxy_mode"] = before

    def test_statement_30_for_scripts_and_other_sites_closed(self):
        header, location = self.cookie_header()
        parts = {part.strip() for part in header.split(";")}
        self.assertIn("HttpOnly", parts)
        self.assertIn("SameSite=Strict", parts)
        self.assertIn("Path=" + location.partition("#")[0], parts)
        self.assertFalse(
            [p for p in parts if p.startswith(("Domain", "Expires", "Max-Age"))]
        )

    def test_statement_30_secure_under_https(self):
        forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "sm.example"}
        with self.proxy_mode(True):
            self.assertIn("; Secure", self.cookie_header(**forwarded)[0])
        # Without a proxy, anybody could write these headers
        with self.proxy_mode(False):
            self.assertNotIn("; Secure", self.cookie_header(**forwarded)[0])
        self.assertNotIn("; Secure", self.cookie_header()[0])
