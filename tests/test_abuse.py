"""What is sent to the page by those who do not use it as it is meant."""

import http.client
import re
from contextlib import closing, contextmanager
from datetime import timedelta
from unittest.mock import patch
from urllib.parse import urlsplit

import requests

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..tools import limits
from ..tools import token as tokens
from ..tools.keyring import Keyring, Purpose
from ..tools.page_headers import HEADERS
from .common import (
    CANARY,
    CANARY_FILE,
    CANARY_FILE_NAME,
    PIN,
    SecureCase,
    Visitor,
)

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND")
FORBIDDEN = ("Traceback", "werkzeug", "Odoo", "psycopg2", "File &#34;", 'File "')


class AbuseCase(SecureCase):
    def setUp(self):
        super().setUp()
        self.sent = self.send(
            pin=PIN, attachments=[(CANARY_FILE_NAME, CANARY_FILE.encode())]
        )
        self.file_uid = self.sent.message.attachment_ids.sudo().secure_uid

    def enter(self):
        self.visitor.open_gate(self.token, pin=PIN)
        self.assertEqual(self.visitor.status, 200)
        return "/" + self.visitor.path

    def addresses(self, door):
        """Each address of the page, of this gate and this door."""
        handle = door.rpartition("/")[2]
        known = {"token": self.token, "handle": handle, "uid": self.file_uid}
        return list(dict.fromkeys(route.at(**known) for route in self.page_routes()))

    def assertProper(self, answer, *where):
        """An answer of the page's own, and nothing of what is behind it."""
        self.assertLess(answer.status_code, 500, where)
        is_page = answer.headers["Content-Type"] != "application/json; charset=utf-8"
        for name, value in HEADERS:
            if name == "Content-Security-Policy":
                policy = answer.headers.get(name, "")
                self.assertEqual("default-src 'none'" in policy, is_page, where)
            else:
                self.assertEqual(answer.headers.get(name), value, (*where, name))
        for text in FORBIDDEN:
            self.assertNotIn(text, answer.text, where)
        self.assertNotIn("session_id", answer.headers.get("Set-Cookie", ""), where)

    @contextmanager
    def connected(self):
        """A connection to the server, which takes part in this test's transaction."""
        where = urlsplit(self.base_url())
        self.env.flush_all()
        self.env.invalidate_all()
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
        with self.allow_requests(all_requests=True), closing(connection):
            yield connection

    def raw(self, method, path, body=None, headers=()):
        """As no browser would: nothing is tidied up on the way.

        :return: (status, headers, text)
        """
        with self.connected() as connection:
            connection.putrequest(
                method,
                path,
                skip_host=any(name == "Host" for name, _value in headers),
                skip_accept_encoding=True,
            )
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
            return response.status, dict(response.getheaders()), text


@tagged("post_install", "-at_install")
class TestMethodsOfHttp(AbuseCase):
    def test_each_at_each_address(self):
        door = self.enter()
        for path in self.addresses(door):
            for method in METHODS:
                with mute_logger("odoo.http"):
                    answer = self.visitor.opener.request(
                        method,
                        self.base_url() + path,
                        timeout=20,
                        allow_redirects=False,
                    )
                with self.subTest(path=path, method=method):
                    self.assertProper(answer, method, path)
                    if method not in ("GET", "HEAD", "POST", "OPTIONS"):
                        self.assertEqual(answer.status_code, 405)
                        self.assertTrue(answer.headers["Allow"])
                    if method == "OPTIONS":
                        self.assertEqual((answer.status_code, answer.text), (204, ""))
                    if method in ("HEAD", "OPTIONS"):
                        self.assertNotIn(CANARY, answer.text)

    def test_statement_09_nothing_changes_but_by_post(self):
        """Behind the door as well: whoever only asks for headers has read nothing."""
        self.visitor.open_gate(self.token, pin=PIN)
        door = "/" + self.visitor.path
        # As if nobody had looked yet
        self.sent.message._secure_write({"secure_seen_date": False})
        grant = self.env["secure.grant"].search([], limit=1)
        grant.idle_until = fields.Datetime.now() + timedelta(minutes=5)
        before = self.rows_of()
        for path in self.addresses(door):
            hidden = {"form_token": grant._form_token(), "pin": PIN, "body": "x"}
            for method in METHODS:
                reads = method == "GET" and path.startswith(door)
                if method == "POST" or (reads and not path.endswith("/consent")):
                    continue
                with mute_logger("odoo.http"):
                    self.visitor.opener.request(
                        method,
                        self.base_url() + path,
                        params=hidden,
                        timeout=20,
                        allow_redirects=False,
                    )
                self.assertEqual(self.rows_of(), before, (method, path))
        self.assertFalse(self.sent.message.sudo().secure_seen_date)

    def test_a_method_in_disguise(self):
        """Headers and fields by which some servers take one method for another."""
        before = self.rows_of()
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
            self.visitor.get(
                f"/sm/{self.token}?_method=POST&pin={PIN}", headers={name: "POST"}
            )
            self.assertEqual(self.visitor.status, 200)
            self.assertIn('name="pin"', self.visitor.text)
        self.assertEqual(self.rows_of(), before)


@tagged("post_install", "-at_install")
class TestPaths(AbuseCase):
    def test_statement_05_beside_the_addresses(self):
        """All that is nothing looks like a link that is none, whatever it is like."""
        reference = self.visitor.get("/sm/" + "0" * tokens.TOKEN_LENGTH)
        self.assertEqual(reference.status_code, 404)
        for path in (
            "/sm",
            "/sm/",
            "/sm/x/y",
            "/sm/c",
            "/sm/c/",
            "/sm/%00",
            "/sm/%0d%0aX-Injected:%201",
            "/sm/é",
            "/sm/%c3%28",
            "/sm/%F0%9F%92%A9",
            "/sm/" + "x" * 5000,
            "/sm/" + self.token + "x",
            "/sm/" + self.token[:-1],
            "/sm/" + self.token.swapcase(),
            "/sm/" + self.token + "%20",
            "/sm/" + self.token + "%00",
            "/sm/" + self.token + "/../" + self.token + "x",
            "/sm/{{7*7}}",
            "/sm/' OR 1=1 --",
            "/sm/..%2f..%2fetc%2fpasswd",
            "/sm/c/" + "0" * 22 + "/f/..%2f..%2fetc%2fpasswd",
            "/sm/x?before=1&before=2",
        ):
            with mute_logger("odoo.http"):
                answer = self.visitor.get(path, allow_redirects=False)
            with self.subTest(path=path):
                self.assertProper(answer, path)
                self.assertEqual(answer.status_code, 404)
                self.assertEqual(answer.text, reference.text)
                self.assertNotIn("X-Injected", answer.headers)

    def test_as_no_browser_asks(self):
        for path in (
            "/sm/../sm/x",
            "/sm//x",
            "//sm//" + "x" * 33,
            "/sm/./x",
            "/sm/%2e%2e/web/login",
            "/sm/%2f%2fevil.example",
            "/sm\\x",
            "/sm/x;y=z",
            "/sm/x#y",
        ):
            with self.subTest(path=path), mute_logger("odoo.http"):
                status, headers, text = self.raw("GET", path)
                self.assertIn(status, (301, 308, 404))
                self.assertNotRegex(headers.get("Location", ""), "^(https?:)?//[^1]")
                self.assertNotIn("Traceback", text)

    def test_what_breaks_is_not_shown(self):
        """An error of the server's: its own words and headers, and no detail."""
        broken = patch.object(
            self.registry["secure.page"], "_gate", side_effect=RuntimeError(CANARY)
        )
        with broken, mute_logger("odoo.http"):
            answer = self.visitor.get(f"/sm/{self.token}")
        self.assertEqual(answer.status_code, 500)
        self.assertIn("This did not work", answer.text)
        for text in (CANARY, *FORBIDDEN):
            self.assertNotIn(text, answer.text)
        for name, value in HEADERS:
            self.assertEqual(answer.headers.get(name), value)

    def test_statement_06_forged_host(self):
        """What the page answers names no host at all."""
        for headers in (
            [("Host", "evil.example")],
            [("X-Forwarded-Host", "evil.example")],
            [("Forwarded", "host=evil.example")],
            [("Host", "evil.example"), ("X-Forwarded-Proto", "https")],
        ):
            for path in (f"/sm/{self.token}", "/sm/x", "/sm"):
                status, answered, text = self.raw("GET", path, headers=headers)
                with self.subTest(headers=headers, path=path):
                    self.assertIn(status, (200, 404))
                    self.assertNotIn("evil.example", text + str(answered))

    def test_cookies_in_mass(self):
        door = self.enter()
        for cookies in (
            {"sm": "x"},
            {"sm": "%00"},
            {"sm": "x" * 3500},
            {f"c{number}": "x" for number in range(150)},
            {"sm": '"<script>'},
        ):
            other = Visitor(self)
            with mute_logger("odoo.http"):
                other.get(door, cookies=cookies)
            self.assertEqual(other.status, 403, cookies)
            self.assertNotIn(CANARY, other.text)
            self.assertProper(other.response)


@tagged("post_install", "-at_install")
class TestForms(AbuseCase):
    def setUp(self):
        super().setUp()
        self.door = self.enter()
        index = self.visitor.form(self.visitor.path)
        self.action, self.hidden = self.visitor.forms()[index]

    def answers(self):
        return len(self.sent.thread.message_ids) - 1

    def test_without_its_token(self):
        """A form that another site made, or somebody who never saw the page."""
        for form_token in (
            None,
            "",
            "x",
            "0" * 32,
            self.hidden["form_token"][:-1],
            "é",
        ):
            data = {**self.hidden, "body": "x", "form_token": form_token}
            answer = self.visitor.post(self.action, data=data)
            self.assertEqual(answer.status_code, 400, form_token)
            self.assertProper(answer)
        self.assertEqual(self.answers(), 0)

    def test_from_another_site(self):
        headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
        data = {**self.hidden, "body": "x"}
        answer = self.visitor.post(self.action, data=data, headers=headers)
        self.assertEqual(answer.status_code, 400)
        self.assertEqual(self.answers(), 0)
        self.visitor.post(self.action, data=data)
        self.assertEqual(self.answers(), 1)

    def test_another_conversations_form_token(self):
        other = Visitor(self)
        self.send(partner=self.other_contact)
        other.open_gate(self.token)
        foreign = other.forms()[other.form(other.path)][1]["form_token"]
        data = {**self.hidden, "body": "x", "form_token": foreign}
        self.assertEqual(self.visitor.post(self.action, data=data).status_code, 400)
        self.assertEqual(self.answers(), 0)

    def test_fields_twice_and_as_files(self):
        twice = [*self.hidden.items(), ("body", "one"), ("body", "two")]
        self.assertEqual(self.visitor.post(self.action, data=twice).status_code, 200)
        self.assertEqual(self.answers(), 1)
        for name in (*self.hidden, "body"):
            values = {**self.hidden, "body": "x"}
            values.pop(name)
            answer = self.visitor.post(
                self.action, data=values, files={name: ("a.txt", b"a")}
            )
            self.assertLess(answer.status_code, 500, name)
            self.assertProper(answer, name)
        self.assertLessEqual(self.answers(), 2)

    def test_other_kinds_of_content(self):
        bodies = {
            "application/json": b'{"form_token": "x", "body": ["x"]}',
            "text/xml": b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>",
            "multipart/form-data": b"no boundary",
            "multipart/form-data; boundary=x": b"--x\r\nContent-Disposition: nothing",
            "application/x-www-form-urlencoded": b"%ff%fe=%00&body=%",
            "application/x-www-form-urlencoded; charset=utf-7": b"body=+ADw-script",
            "": b"\0\1\2",
            "x" * 500: b"x",
        }
        for path in (self.action, f"/sm/{self.token}", f"/sm/{self.token}/renew"):
            for kind, body in bodies.items():
                with self.subTest(path=path, kind=kind), mute_logger("odoo.http"):
                    answer = self.visitor.post(
                        path, data=body, headers={"Content-Type": kind}
                    )
                    self.assertLess(answer.status_code, 500)
                    self.assertProper(answer, kind)
        self.assertEqual(self.answers(), 0)

    def test_fields_and_parts_in_mass(self):
        cases = {
            "long name": {"data": {**self.hidden, "x" * 100_000: "y"}},
            "many fields": {
                "data": {**self.hidden, **{f"f{n}": "x" for n in range(2000)}}
            },
            "many parts": {
                "data": self.hidden,
                "files": [("files", (f"{n}.txt", b"x")) for n in range(1100)],
            },
            "too many files": {
                "data": {**self.hidden, "body": "x"},
                "files": [
                    ("files", (f"{n}.txt", b"x"))
                    for n in range(limits.FILES_PER_MESSAGE + 1)
                ],
            },
        }
        for case, request in cases.items():
            with self.subTest(case=case), mute_logger("odoo.http"):
                answer = self.visitor.post(self.action, **request)
                self.assertIn(answer.status_code, (400, 413, 422), case)
                self.assertProper(answer, case)
        self.assertEqual(self.answers(), 0)

    def test_statement_36_more_than_is_taken(self):
        """By what the length says, before a byte of it is read, at each address."""
        handle = self.door.rpartition("/")[2]
        for route in self.page_routes():
            if route.method != "POST":
                continue
            path = route.at(token=self.token, handle=handle)
            limit = limits.MEGABYTE
            if path == self.action:
                limit = limits.REQUEST_MAX_BYTES
            with self.subTest(path=path), mute_logger("odoo.http"):
                self.assertEqual(route.routing["max_content_length"], limit)
                status, headers, text = self.claims(path, limit + 1)
                self.assertEqual(status, 413, path)
                self.assertIn("too much at once", text)
                self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertEqual(self.answers(), 0)

    def claims(self, path, length):
        """Announce a body and send next to nothing of it."""
        cookies = "; ".join(
            f"{cookie.name}={cookie.value}" for cookie in self.visitor.opener.cookies
        )
        with self.connected() as connection:
            connection.putrequest("POST", path)
            connection.putheader("Cookie", cookies)
            connection.putheader("Content-Type", "application/x-www-form-urlencoded")
            connection.putheader("Content-Length", str(length))
            connection.endheaders(b"a=b")
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()

    def test_of_no_known_length(self):
        """A body in chunks, without length: Odoo's server reads none of it."""

        def chunks():
            for _number in range(50):
                yield b"body=" + b"x" * 100_000

        with mute_logger("odoo.http"):
            try:
                answer = self.visitor.post(self.action, data=chunks())
            except OSError:
                return self.assertEqual(self.answers(), 0)
        self.assertIn(answer.status_code, (400, 411, 413))
        return self.assertEqual(self.answers(), 0)

    def test_a_file_that_arrives_in_pieces_is_whole(self):
        data = bytes(range(256)) * 400
        form = requests.Request(
            "POST",
            self.base_url() + self.action,
            data={**self.hidden, "body": "x"},
            files={"files": ("a.bin.txt", CANARY_FILE.encode() + data)},
            cookies=self.visitor.opener.cookies,
        ).prepare()
        pieces = [form.body[at : at + 7001] for at in range(0, len(form.body), 7001)]
        self.assertGreater(len(pieces), 10)
        with self.connected() as connection:
            connection.request("POST", self.action, iter(pieces), dict(form.headers))
            self.assertEqual(connection.getresponse().status, 303)
        [file] = self.sent.thread.message_ids.sorted("id")[-1].attachment_ids
        self.assertEqual(file.sudo()._secure_data(), CANARY_FILE.encode() + data)

    def test_text_of_every_kind(self):
        for text in (
            "\0",
            "\x1b[31m",
            "\u202e",
            "x" * (limits.BODY_MAX_CHARACTERS + 1),
        ):
            answer = self.visitor.post(
                self.action, data={**self.hidden, "body": text, "reply_key": "k1"}
            )
            self.assertLess(answer.status_code, 500)
            self.assertProper(answer, text[:5])


@tagged("post_install", "-at_install")
class TestOthersConversations(SecureCase):
    """Statement 7: nothing of one conversation opens anything of another, of the same
    contact or not."""

    def setUp(self):
        super().setUp()
        self.doors = {}
        for name, partner in (
            ("mine", self.contact),
            ("also mine", self.contact),
            ("another's", self.other_contact),
        ):
            file = (f"{name}.txt", f"file of {name}".encode())
            sent = self.send(
                partner=partner, body=f"<p>text of {name}</p>", attachments=[file]
            )
            visitor = Visitor(self)
            visitor.open_gate(self.token)
            self.assertIn(f"text of {name}", visitor.text)
            self.doors[name] = {
                "sent": sent,
                "token": self.token,
                "visitor": visitor,
                "path": "/" + visitor.path,
                "cookie": visitor.opener.cookies.get("sm", path="/" + visitor.path),
                "file": sent.message.attachment_ids.sudo().secure_uid,
                "hidden": visitor.forms()[visitor.form(visitor.path)][1],
            }

    def pairs(self):
        for name, door in self.doors.items():
            for other_name, other in self.doors.items():
                if name != other_name:
                    with self.subTest(door=name, other=other_name):
                        yield door, other, other_name

    def test_statement_07_files(self):
        for door, other, name in self.pairs():
            answer = door["visitor"].get(f"{door['path']}/f/{other['file']}")
            self.assertEqual(answer.status_code, 404)
            self.assertNotIn(f"file of {name}", answer.text)
        for name, door in self.doors.items():
            answer = door["visitor"].get(f"{door['path']}/f/{door['file']}")
            self.assertEqual(answer.text, f"file of {name}")

    def test_statement_07_with_the_cookie_of_another(self):
        """One's own secret at somebody else's door, at each of its addresses."""
        for door, other, name in self.pairs():
            cookies = {"sm": door["cookie"], "sm_ok": "1"}
            handle = other["path"].rpartition("/")[2]
            before = self.rows_of()
            for route in self.page_routes():
                if not route.is_door:
                    continue
                path = route.at(handle=handle, uid=other["file"])
                for hidden in (door["hidden"], other["hidden"]):
                    intruder = Visitor(self)
                    intruder._request(
                        route.method,
                        path,
                        data={**hidden, "body": "INTRUDER", "answer": "agreed"},
                        cookies=cookies,
                        allow_redirects=False,
                    )
                    # To close a door that is not one's own is answered alike
                    refused = 303 if route.ending == "/leave" else 403
                    self.assertEqual(intruder.status, refused, path)
                    self.assertNotIn(f"text of {name}", intruder.text)
                    self.assertNotIn(f"file of {name}", intruder.text)
            self.assertEqual(self.rows_of(), before)
            self.assertEqual(other["visitor"].get(other["path"]).status_code, 200)

    def test_statement_07_older_messages(self):
        """Whatever stands in the address to page by."""
        for door, other, name in self.pairs():
            message = other["sent"].message
            for before in (
                message.id,
                message.id + 1,
                message.sudo().secure_uid,
                "0x1",
            ):
                answer = door["visitor"].get(f"{door['path']}?before={before}")
                self.assertEqual(answer.status_code, 200)
                self.assertNotIn(f"text of {name}", answer.text)

    def test_statement_07_renewal(self):
        """A genuine expired link renews its own conversation, with its own form."""
        for door in self.doors.values():
            door["sent"].link.sudo().expires_at = fields.Datetime.now() - timedelta(
                seconds=1
            )
        for door, other, _name in self.pairs():
            visitor = Visitor(self)
            visitor.get(f"/sm/{door['token']}")
            _action, hidden = visitor.forms()[visitor.form("/renew")]
            with self.gateways():
                visitor.post(f"/sm/{other['token']}/renew", data=hidden)
                self.assertEqual(visitor.status, 400)
                self.assertFalse(self._mails)

    def test_statement_07_wrong_pins_of_one_are_not_the_others(self):
        """Another link's form token does not let a PIN be tried."""
        secret = self.send(pin=PIN)
        token = self.token
        visitor = Visitor(self)
        visitor.get(f"/sm/{self.doors['mine']['token']}")
        foreign = visitor.forms()[0][1]
        visitor.post(f"/sm/{token}", data={**foreign, "pin": PIN})
        self.assertEqual(visitor.status, 400)
        self.assertFalse(secret.link.sudo().opened_at)

    def test_statement_03_addresses_count_nothing(self):
        """No record's number in any address of the page."""
        for door in self.doors.values():
            page = door["visitor"].get(door["path"]).text
            found = re.findall(r'(?:href|src|action)="([^"]*)"', page)
            paths = [door["path"], *(path for path in found if path.startswith("/sm"))]
            for path in paths:
                self.assertNotRegex(path, r"/\d+(/|\?|$)")


@tagged("post_install", "-at_install")
class TestAlike(SecureCase):
    """Statement 5: what is no link, and what is one no more, cannot be told apart."""

    def strangers(self):
        self.send()
        genuine = self.token
        forged = genuine[:-1] + ("a" if genuine[-1] != "a" else "b")
        purged = self.send(partner=self.other_contact)
        purged_token = self.token
        purged.link.sudo().unlink()
        keyless = self.send(partner=self.other_contact)
        keyless_token = self.token
        keyless.link.sudo().fingerprint = "0" * 16
        return {
            "unknown": tokens.new_public_id() + "0" * tokens.MAC_LENGTH,
            "forged": forged,
            "purged": purged_token,
            "forgotten with its key": keyless_token,
            "malformed": "no-token-at-all",
            "too short": genuine[:10],
            "too long": genuine + "0",
            "not Latin": "é" * tokens.TOKEN_LENGTH,
        }

    def test_statement_05_same_status_body_and_headers(self):
        answers = {}
        for name, token in self.strangers().items():
            for method in ("get", "post"):
                visitor = Visitor(self)
                answer = getattr(visitor, method)(f"/sm/{token}")
                headers = {
                    key: value
                    for key, value in answer.headers.items()
                    if key not in ("Date", "Set-Cookie")
                }
                answers[name, method] = (answer.status_code, answer.text, headers)
        self.assertEqual(answers["forged", "get"][0], 404)
        for name, answer in answers.items():
            self.assertEqual(answer, answers["unknown", "get"], name)

    def test_statement_05_same_work(self):
        """Each makes one MAC and the same number of queries, counted over a whole
        request: what either takes is not to be measured on a busy machine."""
        strangers = self.strangers()
        work = {}
        # Once to fill the caches, once to count
        for _round in range(2):
            for name, token in strangers.items():
                self.env.flush_all()
                self.env.invalidate_all()
                visitor, before = Visitor(self), self.env.cr.sql_log_count
                with self.counted_macs() as macs:
                    self.assertEqual(visitor.get(f"/sm/{token}").status_code, 404)
                queries = self.env.cr.sql_log_count - before
                work[name] = (macs, queries)
        self.assertEqual(work["unknown"][0], [Purpose.LINKS])
        self.assertGreaterEqual(work["unknown"][1], 2)
        for name, done in work.items():
            self.assertEqual(done, work["unknown"], name)

    @contextmanager
    def counted_macs(self):
        """What MACs are made for meanwhile; one that lacks its key is none."""
        made, mac = [], Keyring.mac

        def counting(ring, purpose, *args):
            result = mac(ring, purpose, *args)
            made.append(purpose)
            return result

        with patch.object(Keyring, "mac", counting):
            yield made
