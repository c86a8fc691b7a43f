"""Consent: its text by version, asked for on the page before anything is shown,
withdrawn there, kept as evidence. Who is asked on which road: test_consent_roads.py."""

import gzip
import re
from datetime import timedelta
from unittest.mock import patch

from freezegun import freeze_time
from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import (
    AccessError,
    ConcurrencyError,
    UserError,
    ValidationError,
)
from odoo.tests import Form, tagged
from odoo.tools import file_open, mute_logger

from ..models.secure_grant import GRANT_IDLE
from .common import (
    CANARY,
    CANARY_FILE,
    CANARY_REPLY,
    CANARY_SUBJECT,
    PIN,
    SecureCase,
    Visitor,
)

TEXT = "We keep what you write.\n\nSee https://practice.example/privacy <b>please</b>"
HIDDEN = (CANARY, CANARY_SUBJECT, CANARY_FILE, "canary.txt")
FILES = [("canary.txt", CANARY_FILE.encode())]


class ConsentCase(SecureCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company.write(
            {"secure_consent_text": TEXT, "secure_consent_for": "everybody"}
        )

    @property
    def consents(self):
        return self.env["secure.consent"].search([], order="id")

    @property
    def versions(self):
        return self.env["secure.consent.text"].search([], order="number")

    def outcomes(self):
        return self.consents.mapped("outcome")

    def opened(self, partner=None, pin=None, **values):
        """A visitor who has just passed the gate.

        :return: (Sent, Visitor)
        """
        sent = self.send(partner=partner, pin=pin, attachments=FILES, **values)
        visitor = Visitor(self)
        visitor.open_gate(self.token, pin=pin)
        return sent, visitor

    def answer(self, visitor, outcome, **fields_):
        """Press one of the buttons of the last page."""
        return visitor.submit(visitor.form("/consent"), answer=outcome, **fields_)

    def agreed(self, **values):
        sent, visitor = self.opened(**values)
        self.answer(visitor, "agreed")
        self.assertIn(CANARY, visitor.text)
        return sent, visitor

    def door(self, visitor):
        """The conversation's address, whichever of its pages the visitor is on."""
        return "/" + "/".join(visitor.path.split("/")[:3])

    def assertKeptOut(self, visitor):
        """Nothing of the conversation, in text or headers, on any door route."""
        door = self.door(visitor)
        sealed = self.env["ir.attachment"].sudo().search([("secure_uid", "!=", False)])
        handle = door.rpartition("/")[2]
        roads = {
            route.at(handle=handle, uid=file.secure_uid)
            for route in self.page_routes()
            if route.is_door and route.method == "GET"
            for file in sealed
        }
        self.assertIn(f"{door}/news", roads)
        roads.add(door + "?before=999999")
        for road in sorted(roads):
            visitor.get(road)
            seen = f"{visitor.text} {visitor.response.headers}"
            for needle in HIDDEN:
                self.assertNotIn(needle, seen, road)
            if "/f/" in road:
                self.assertEqual(visitor.status, 403)

    def log_kinds(self, thread):
        rows = self.env["secure.access.log"].search([("thread_id", "=", thread.id)])
        return rows.mapped("kind")

    def todos(self, thread):
        return thread.sudo().activity_ids.mapped("summary")


@tagged("post_install", "-at_install")
class TestConsentPage(ConsentCase):
    def test_a_script_that_asks_for_news_keeps_no_door_open(self):
        """Nor does it get anything while the answer is awaited."""
        sent, visitor = self.opened(pin=PIN)
        door = self.door(visitor)
        grant = self.env["secure.grant"].search([("thread_id", "=", sent.thread.id)])
        before = grant.sudo().idle_until
        with freeze_time(fields.Datetime.now() + timedelta(minutes=20), tick=True):
            visitor.get(door + "/news")
            self.assertEqual(visitor.status, 403)
            self.assertNotIn(CANARY, visitor.text)
            grant.invalidate_recordset()
            self.assertEqual(grant.sudo().idle_until, before)

    def test_nothing_is_shown_before(self):
        sent, visitor = self.opened(pin=PIN)
        self.assertEqual(visitor.status, 200)
        self.assertIn("We keep what you write.", visitor.text)
        self.assertKeptOut(visitor)
        self.assertFalse(sent.message.sudo().secure_seen_date)
        kinds = self.log_kinds(sent.thread)
        self.assertIn("pin_accepted", kinds)
        self.assertNotIn("read", kinds)
        self.assertNotIn("file_taken", kinds)
        visitor.get(self.door(visitor))
        self.answer(visitor, "agreed")
        for needle in (CANARY, CANARY_SUBJECT, "canary.txt"):
            self.assertIn(needle, visitor.text)
        self.assertTrue(sent.message.sudo().secure_seen_date)
        [url] = set(re.findall(r'href="(/sm/c/[^"]*/f/[^"]*)"', visitor.text))
        self.assertEqual(visitor.get(url).content, CANARY_FILE.encode())

    def test_what_is_kept(self):
        sent, visitor = self.opened()
        self.env["res.lang"]._activate_lang("fr_FR")
        before = fields.Datetime.now()
        self.answer(visitor, "agreed")
        [row] = self.consents
        self.assertEqual(row.partner_id, self.contact)
        self.assertEqual(row.company_id, self.company)
        self.assertEqual(row.text_id, self.versions)
        self.assertEqual(row.text, TEXT)
        self.assertEqual(row.lang, "en_US")
        self.assertEqual(row.thread_id, sent.thread)
        self.assertEqual(row.thread_name, sent.thread.name)
        self.assertEqual(row.link_id, sent.link)
        self.assertEqual(row.network, "127.0.0.0/24")
        self.assertGreaterEqual(row.date, before)
        self.assertLessEqual(row.date, fields.Datetime.now())
        self.assertTrue(row.is_last)
        log = self.env["secure.access.log"].search([("kind", "=", "consent_given")])
        self.assertEqual(log.thread_id, sent.thread.id)
        self.assertEqual(log.detail, "v1 en_US")
        self.assertEqual(log.network, "127.0.0.0/24")
        self.assertFalse(self.todos(sent.thread))

    def test_asked_once_for_each_contact_and_version(self):
        self.agreed()
        _sent, visitor = self.opened(body=f"<p>{CANARY} again</p>")
        self.assertIn(CANARY, visitor.text)
        _sent, other = self.opened(partner=self.other_contact)
        self.assertNotIn(CANARY, other.text)
        self.company.secure_consent_text = "Another text"
        visitor.get("/" + visitor.path)
        self.assertNotIn(CANARY, visitor.text)
        self.assertIn("Another text", visitor.text)
        self.assertIn("has changed since you agreed", visitor.text)
        self.answer(visitor, "agreed")
        self.assertIn(CANARY, visitor.text)
        self.assertEqual(self.consents.mapped("text_id.number"), [1, 2])

    def test_declined(self):
        sent, visitor = self.opened()
        self.answer(visitor, "declined")
        self.assertIn("You did not agree", visitor.text)
        self.assertIn(self.company.phone, visitor.text)
        self.assertKeptOut(visitor)
        self.assertEqual(self.outcomes(), ["declined"])
        self.assertEqual(self.consents.text_id, self.versions)
        self.assertIn("consent_declined", self.log_kinds(sent.thread))
        [todo] = self.todos(sent.thread)
        self.assertIn("did not agree", todo)
        activity = sent.thread.sudo().activity_ids
        self.assertEqual(activity.user_id, self.sender)
        # In the next conversation, too, until they change their mind
        _sent, later = self.opened()
        self.assertIn("You did not agree", later.text)
        self.assertKeptOut(later)
        later.get(self.door(later))
        self.answer(later, "agreed")
        self.assertIn(CANARY, later.text)
        self.assertIn(CANARY, visitor.get(self.door(visitor)).text)
        self.assertEqual(self.outcomes(), ["declined", "agreed"])

    def test_declined_and_a_new_version(self):
        _sent, visitor = self.opened()
        self.answer(visitor, "declined")
        self.company.secure_consent_text = "Another text"
        visitor.get("/" + visitor.path)
        self.assertNotIn("You did not agree", visitor.text)
        self.assertIn("Another text", visitor.text)
        self.assertIn('value="declined"', visitor.text)

    def test_withdrawn(self):
        sent, visitor = self.agreed()
        second, elsewhere = self.opened(body=f"<p>{CANARY}</p>")
        self.assertIn("Withdraw my consent", visitor.text)
        visitor.get(f"/{visitor.path}/consent")
        self.assertIn("Withdraw your consent?", visitor.text)
        self.assertIn("We keep what you write.", visitor.text)
        self.assertEqual(self.outcomes(), ["agreed"])
        self.answer(visitor, "withdrawn")
        self.assertIn("You have withdrawn your consent", visitor.text)
        self.assertIn(self.company.phone, visitor.text)
        self.assertEqual(self.outcomes(), ["agreed", "withdrawn"])
        self.assertEqual(self.consents.mapped("is_last"), [False, True])
        self.assertIn("consent_withdrawn", self.log_kinds(sent.thread))
        self.assertIn("withdrawn their consent", self.todos(sent.thread)[0])
        self.assertFalse(self.todos(second.thread))
        for browser in (visitor, elsewhere):
            browser.get("/" + browser.path)
            self.assertKeptOut(browser)
        elsewhere.get(self.door(elsewhere))
        self.answer(elsewhere, "agreed")
        self.assertIn(CANARY, elsewhere.text)
        self.assertIn(CANARY, visitor.get(self.door(visitor)).text)

    def test_who_withdrew_reads_nothing_until_they_agree(self):
        """Also where nobody is asked by then."""
        _sent, visitor = self.agreed()
        visitor.get(f"/{visitor.path}/consent")
        self.answer(visitor, "withdrawn")
        self.company.secure_consent_for = "nobody"
        self.assertKeptOut(visitor)
        _sent, later = self.opened()
        self.assertKeptOut(later)

    def test_consent_can_be_withdrawn_where_nobody_is_asked_by_now(self):
        _sent, visitor = self.agreed()
        self.company.secure_consent_for = "nobody"
        self.assertIn("Withdraw my consent", visitor.get("/" + visitor.path).text)
        self.assertNotIn(
            "Withdraw my consent", self.opened(partner=self.other_contact)[1].text
        )

    def test_nothing_to_withdraw(self):
        self.company.secure_consent_for = "nobody"
        _sent, visitor = self.opened()
        self.assertIn(CANARY, visitor.text)
        door = "/" + visitor.path
        self.assertIn(CANARY, visitor.get(door + "/consent").text)
        token = visitor.forms()[0][1]["form_token"]
        data = {"form_token": token, "answer": "withdrawn"}
        self.assertIn(CANARY, visitor.post(door + "/consent", data=data).text)
        self.assertFalse(self.consents)

    def test_the_version_shown_is_the_version_agreed_to(self):
        """Answered by somebody or not: the text changes while the page is open."""
        for answered in (False, True):
            with self.subTest(answered=answered):
                self.company.secure_consent_text = f"First {answered}"
                if answered:
                    _sent, other = self.opened(partner=self.other_contact)
                    self.answer(other, "agreed")
                _sent, visitor = self.opened()
                number = len(self.versions)
                self.company.secure_consent_text = f"Changed {answered}"
                self.assertEqual(len(self.versions), number + answered)
                before = self.consents
                for outcome in ("agreed", "declined"):
                    text = f"{outcome} {answered}"
                    self.company.secure_consent_text = text
                    self.answer(visitor, outcome)
                    self.assertEqual(visitor.status, 409)
                    self.assertIn("has just changed", visitor.text)
                    self.assertIn(text, visitor.text)
                    self.assertNotIn(CANARY, visitor.text)
                    self.assertEqual(self.consents, before)
                self.answer(visitor, "agreed")
                self.assertIn(CANARY, visitor.text)
                self.assertEqual((self.consents - before).text, text)

    def test_queries_do_not_grow_with_contacts(self):
        """What staff see of the answers, in lists and exports."""
        version = self.env["secure.consent.text"]._current(self.company)
        counts = []
        for size in (3, 3, 12):
            contacts = self.env["res.partner"].create(
                [{"name": "x", "email": f"{n}@client.example"} for n in range(size)]
            )
            for contact in contacts:
                sent = self.send(partner=contact)
                grant, _secret = self.env["secure.grant"]._open(sent.link)
                self.env["secure.consent"]._record(grant, "agreed", version, "")
            threads = self.env["secure.thread"].search(
                [("partner_id", "in", contacts.ids)]
            )
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            seen = contacts.with_user(self.sender).with_company(self.company)
            states = seen.mapped("secure_consent_version")
            states += threads.with_user(self.sender).mapped("consent_version")
            counts.append(self.env.cr.sql_log_count - before)
            self.assertEqual(states, [version.display_name] * 2 * size)
        self.assertEqual(counts[1], counts[2])

    def test_double_click_and_back_button(self):
        sent, visitor = self.opened()
        index = visitor.form("/consent")
        action, hidden = visitor.forms()[index]
        for outcome, count in (("agreed", 1), ("declined", 2)):
            for _click in range(2):
                visitor.post(action, data={**hidden, "answer": outcome})
                self.assertEqual(visitor.status, 200)
            self.assertEqual(len(self.consents), count)
            self.assertEqual(
                self.log_kinds(sent.thread).count("consent_given"), 1, outcome
            )
        self.assertKeptOut(visitor)
        self.assertEqual(len(self.todos(sent.thread)), 1)

    def test_two_browsers_at_once(self):
        _sent, first = self.opened()
        second = Visitor(self)
        second.open_gate(self.token)
        self.assertNotIn(CANARY, second.text)
        self.answer(first, "agreed")
        self.assertIn(CANARY, Visitor(self).open_gate(self.token).text)
        self.answer(second, "agreed")
        self.assertIn(CANARY, second.text)
        self.assertEqual(self.outcomes(), ["agreed"])

    def test_answers_at_the_same_moment_are_not_both_taken(self):
        """Each of them saw what was there before the other."""
        sent, _visitor = self.agreed()
        grant = self.env["secure.grant"].search([("thread_id", "=", sent.thread.id)])
        consents = self.env["secure.consent"]
        nothing = consents.sudo().browse()
        with (
            patch.object(type(consents), "_last_for", lambda *args: nothing),
            mute_logger("odoo.sql_db"),
            self.assertRaises(ConcurrencyError),
            self.env.cr.savepoint(),
        ):
            consents._record(grant, "agreed", self.versions, "127.0.0.1")

    def test_only_a_person_on_the_page_answers(self):
        _sent, visitor = self.opened()
        action, hidden = visitor.forms()[visitor.form("/consent")]
        good = {**hidden, "answer": "agreed"}
        bad = [
            ({**good, "form_token": "x"}, {}, 400),
            ({**good, "form_token": ""}, {}, 400),
            (good, {"Sec-Fetch-Site": "cross-site"}, 400),
            ({**good, "answer": "perhaps"}, {}, 400),
            ({**good, "seen": ""}, {}, 409),
            ({**good, "seen": "é"}, {}, 409),
        ]
        for data, headers, status in bad:
            visitor.post(action, data=data, headers=headers)
            self.assertEqual(visitor.status, status, data)
            self.assertNotIn(CANARY, visitor.text)
        stranger = Visitor(self)
        stranger.get("/sm/" + self.token)
        stranger.post(action, data=good)
        stranger.get(action)
        self.assertNotIn("We keep what you write", stranger.text)
        self.assertFalse(self.consents)

    def test_after_the_idle_time_the_pin_comes_first(self):
        sent, visitor = self.opened(pin=PIN)
        grant = self.env["secure.grant"].search([("thread_id", "=", sent.thread.id)])
        grant._end()
        self.answer(visitor, "agreed")
        self.assertIn('id="pin"', visitor.text)
        self.assertFalse(self.consents)
        visitor.submit(pin=PIN)
        self.assertNotIn(CANARY, visitor.text)
        self.assertIn("We keep what you write.", visitor.text)

    def test_a_half_typed_reply_is_kept(self):
        """The text changed while they wrote: nothing is sent, nothing is lost."""
        sent, visitor = self.agreed()
        self.company.secure_consent_text = "Another text"
        count = len(sent.thread.message_ids)
        with self.leak_scan() as scan:
            visitor.submit(visitor.form(visitor.path), body=f"{CANARY_REPLY} half")
            self.assertEqual(visitor.status, 403)
            self.assertIn("has been kept", visitor.text)
            self.assertNotIn(CANARY, visitor.text)
            self.company.secure_consent_text = "Yet another text"
            # Answered too late once, declined once, and still there
            for outcome in ("agreed", "declined", "agreed"):
                self.answer(visitor, outcome)
            self.env.cr.precommit.run()
            self.assertNoLeak(scan)
        self.assertEqual(len(sent.thread.message_ids), count)
        self.assertIn(CANARY, visitor.text)
        self.assertIn(f"{CANARY_REPLY} half", visitor.text)

    def test_reading_the_text_takes_its_time(self):
        """The idle time starts with the text, not with the PIN."""
        sent, visitor = self.opened()
        grant = self.env["secure.grant"].search([("thread_id", "=", sent.thread.id)])
        grant.idle_until -= GRANT_IDLE / 2
        visitor.get("/" + visitor.path)
        self.assertGreater(grant._seconds_left(), GRANT_IDLE.total_seconds() - 60)
        self.assertNotIn(CANARY, visitor.text)

    def test_replies_and_files_wait_for_consent(self):
        sent, visitor = self.agreed()
        [url] = set(re.findall(r'href="(/sm/c/[^"]*/f/[^"]*)"', visitor.text))
        action, hidden = visitor.forms()[visitor.form(visitor.path)]
        self.company.secure_consent_text = "Another text"
        count = len(sent.thread.message_ids)
        for _try in range(2):
            visitor.post(action, data={**hidden, "body": "intruding"})
            self.assertEqual(visitor.status, 403)
        self.assertEqual(visitor.get(url).status_code, 403)
        self.assertNotIn(CANARY_FILE, visitor.text)
        self.assertEqual(len(sent.thread.message_ids), count)

    def test_statement_54_without_scripts_by_plain_forms(self):
        _sent, visitor = self.opened()
        [(_action, hidden)] = [
            form for form in visitor.forms() if form[0].endswith("/consent")
        ]
        self.assertEqual(set(hidden), {"form_token", "seen"})
        buttons = re.findall(r"<button[^>]*name=\"answer\"[^>]*>([^<]*)<", visitor.text)
        self.assertEqual(buttons, ["I agree", "I do not agree"])
        self.assertNotRegex(visitor.text, r"<script(?![^>]*src=)|\son[a-z]+=|style=")

    def test_statement_52_in_the_contacts_language(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.env["res.lang"]._activate_lang("ar_001")
        self.company.update_field_translations(
            "secure_consent_text", {"ar_001": "نحتفظ بما تكتب"}
        )
        for code, attributes, shown in (
            ("ar_001", 'lang="ar-001" dir="rtl"', "نحتفظ بما تكتب"),
            ("fr_FR", 'lang="fr-FR" dir="ltr"', "We keep what you write."),
        ):
            self.contact.lang = code
            _sent, visitor = self.opened()
            self.assertIn(attributes, visitor.text)
            self.assertIn(shown, visitor.text)
            foreign = code == "fr_FR"
            self.assertEqual('dir="auto" lang="en-US"' in visitor.text, foreign)
            self.answer(visitor, "agreed")
            row = self.consents[-1]
            self.assertEqual(row.lang, "en_US" if foreign else code)
            self.assertIn(shown, row.text)
            self.company.secure_consent_text += "!"

    def test_text_is_shown_as_it_is_typed(self):
        _sent, visitor = self.opened()
        self.assertIn("&lt;b&gt;please&lt;/b&gt;", visitor.text)
        self.assertIn('href="https://practice.example/privacy"', visitor.text)

    def test_headers_and_weight(self):
        self.company.secure_consent_text = "Words that differ. " * 500
        _sent, visitor = self.opened()
        headers = visitor.response.headers
        self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertNotIn("unsafe", headers["Content-Security-Policy"])
        weight = len(gzip.compress(visitor.text.encode()))
        for name in ("page.css", "page.js"):
            with file_open(f"secure_messaging/static/src/page/{name}", "rb") as part:
                weight += len(gzip.compress(part.read()))
        self.assertLess(weight, 30_000)

    def test_the_gate_does_not_look_at_it(self):
        self.send(pin=PIN)
        with (
            patch.object(
                type(self.env["secure.consent"]), "_last_for", side_effect=ValueError
            ),
            patch.object(
                type(self.company), "_secure_asks_consent", side_effect=ValueError
            ),
        ):
            self.visitor.get(f"/sm/{self.token}")
        self.assertEqual(self.visitor.status, 200)
        self.assertNotIn("We keep", self.visitor.text)

    def test_without_a_text_nobody_reads(self):
        """However it got lost: fail closed."""
        self.company.secure_consent_for = "nobody"
        _sent, visitor = self.opened()
        self.assertIn(CANARY, visitor.text)
        self.versions.sudo().unlink()
        self.env.cr.execute(
            "UPDATE res_company SET secure_consent_for = 'everybody',"
            " secure_consent_text = NULL WHERE id = %s",
            [self.company.id],
        )
        self.env.invalidate_all()
        visitor.get("/" + visitor.path)
        self.assertEqual(visitor.status, 503)
        self.assertNotIn(CANARY, visitor.text)
        with self.assertRaises(UserError) as refused:
            self.send()
        self.assertIn("has no consent text", str(refused.exception))

    def test_statement_46_of_the_messages_company(self):
        other = self.env["res.company"].create(
            {
                "name": "Other Office",
                "secure_responsible_id": self.manager.id,
                "secure_messaging_enabled": True,
                "secure_pin_required": False,
                "secure_consent_text": "Text of the other office",
                "secure_consent_for": "everybody",
            }
        )
        self.agreed()
        self.sender.company_ids += other
        _sent, visitor = self.opened(company=other)
        self.assertIn("Text of the other office", visitor.text)
        self.assertNotIn(CANARY, visitor.text)
        self.answer(visitor, "agreed")
        self.assertIn(CANARY, visitor.text)
        self.assertEqual(self.consents.company_id, self.company | other)


@tagged("post_install", "-at_install")
class TestConsentText(ConsentCase):
    def test_a_version_somebody_answered_is_never_changed(self):
        first = self.versions
        self.company.secure_consent_text = "Better"
        self.assertEqual(self.versions, first)
        self.assertEqual(first.text, "Better")
        _sent, visitor = self.opened()
        self.answer(visitor, "declined")
        self.company.secure_consent_text = "New"
        self.assertEqual(self.versions.mapped("text"), ["Better", "New"])
        self.assertEqual(self.versions.mapped("number"), [1, 2])
        self.company.secure_consent_text = "New"
        self.company.write({"secure_consent_text": "New", "name": "Renamed"})
        self.assertEqual(len(self.versions), 2)
        for action in (
            lambda: first.sudo().write({"text": "x"}),
            lambda: first.sudo().write({"number": 7}),
            lambda: first.sudo().update_field_translations("text", {"en_US": "x"}),
            first.sudo().unlink,
            first.sudo().copy,
        ):
            with self.assertRaises(AccessError), self.env.cr.savepoint():
                action()
        self.env.invalidate_all()
        self.assertEqual(first.text, "Better")

    def test_translations_belong_to_the_version(self):
        """By Odoo's dialog, which writes on the company behind the settings."""
        self.env["res.lang"]._activate_lang("fr_FR")
        settings = self.env["res.config.settings"].create({})
        name = "secure_consent_text"
        settings.update_field_translations(name, {"fr_FR": "Bonjour"})
        self.assertEqual(len(self.versions), 1)
        self.assertEqual(self.versions._texts(), {"en_US": TEXT, "fr_FR": "Bonjour"})
        _sent, visitor = self.opened()
        self.answer(visitor, "agreed")
        settings.update_field_translations(name, {"fr_FR": "Bonsoir"})
        self.assertEqual(
            self.versions.mapped(lambda version: version._texts().get("fr_FR")),
            ["Bonjour", "Bonsoir"],
        )
        settings.update_field_translations(name, {"fr_FR": False})
        self.assertEqual(self.versions[-1]._texts(), {"en_US": TEXT})
        self.assertIn("[fr_FR]\nBonjour", self.versions[0].all_texts)

    def test_a_text_is_needed_where_anybody_is_asked(self):
        for asked in ("everybody", "chosen"):
            self.company.secure_consent_for = asked
            for text in ("", "  \n", False):
                with self.assertRaises(ValidationError), self.env.cr.savepoint():
                    self.company.secure_consent_text = text
        self.company.secure_consent_for = "nobody"
        self.company.secure_consent_text = False
        self.assertEqual(len(self.versions), 1)

    def test_statement_45_whom_the_company_asks(self):
        asks = {"nobody": (), "everybody": (False, True), "chosen": (True,)}
        for setting, asked in asks.items():
            for chosen in (False, True):
                with self.subTest(setting=setting, chosen=chosen):
                    self.company.secure_consent_for = setting
                    _sent, visitor = self.opened(ask_consent=chosen)
                    self.assertEqual(CANARY in visitor.text, chosen not in asked)

    def test_statement_45_chosen_stays_asked_for(self):
        """Only ever turned on; and looked at when somebody reads, not when it left."""
        self.company.secure_consent_for = "nobody"
        sent, visitor = self.opened(ask_consent=True)
        self.assertIn(CANARY, visitor.text)
        self.company.secure_consent_for = "chosen"
        self.send(thread=sent.thread, ask_consent=False)
        self.assertTrue(sent.thread.ask_consent)
        self.assertKeptOut(visitor)
        sent, visitor = self.opened()
        self.assertIn(CANARY, visitor.text)
        self.send(thread=sent.thread, ask_consent=True)
        self.assertKeptOut(visitor)
        with self.assertRaises(AccessError):
            sent.thread.with_user(self.manager).ask_consent = False

    def test_settings_form(self):
        admin = self.env.ref("base.user_admin")
        form = Form(self.env["res.config.settings"].with_user(admin))
        self.assertEqual(form.secure_consent_version, 1)
        form.secure_consent_text = "Corrected"
        self.assertFalse(form.secure_consent_changes)
        form.save().execute()
        self.assertEqual(self.versions.text, "Corrected")
        _sent, visitor = self.opened()
        self.answer(visitor, "agreed")
        form = Form(self.env["res.config.settings"].with_user(admin))
        form.secure_consent_text = "Next"
        self.assertTrue(form.secure_consent_changes)
        form.secure_consent_for = "chosen"
        form.save().execute()
        self.assertEqual(self.versions[-1].text, "Next")
        self.assertEqual(self.company.secure_consent_for, "chosen")
        action = form.record.action_secure_consent_texts()
        found = self.env[action["res_model"]].search(action["domain"])
        self.assertEqual(found, self.versions)
        self.assertEqual(self.versions[0].with_user(admin).answer_count, 1)


@tagged("post_install", "-at_install")
class TestConsentRecords(ConsentCase):
    def test_statement_41_nobody_but_the_contact_writes(self):
        self.agreed()
        row, version = self.consents, self.versions
        values = {
            "date": fields.Datetime.now(),
            "outcome": "agreed",
            "partner_id": self.other_contact.id,
            "company_id": self.company.id,
            "text_id": version.id,
        }
        people = [
            self.sender,
            self.manager,
            self.clerk,
            self.portal,
            self.env.ref("base.public_user"),
            self.env.ref("base.user_admin"),
            self.env.ref("base.user_root"),
        ]
        for user in people:
            records = row.with_user(user)
            for action in (
                lambda records=records: records.create(values),
                lambda records=records: records.write({"outcome": "declined"}),
                lambda records=records: records.unlink(),
                lambda records=records: records.copy(),
            ):
                with self.assertRaises(AccessError), self.env.cr.savepoint():
                    action()
        self.assertEqual(self.outcomes(), ["agreed"])

    def test_statement_41_who_reads(self):
        sent, _visitor = self.agreed()
        other = self.env["res.company"].create({"name": "Other Office"})
        stranger = self._user(
            "stranger",
            "base.group_user,secure_messaging.group_manager",
            company_id=other.id,
            company_ids=[(6, 0, other.ids)],
        )
        readers = {
            self.sender: True,
            self.manager: True,
            self.colleague: False,
            stranger: False,
            self.clerk: False,
            self.portal: False,
            self.env.ref("base.public_user"): False,
        }
        for user, may in readers.items():
            with self.subTest(user=user.login):
                self.assertEqual(self.consents.with_user(user).has_access("read"), may)
                if user not in (self.colleague, self.sender):
                    version = self.versions.with_user(user)
                    self.assertEqual(version.has_access("read"), may)
        sent.thread.sudo().participant_ids = self.colleague
        self.assertTrue(self.consents.with_user(self.colleague).has_access("read"))
        # Of a conversation that is gone, the manager alone
        row = self.consents
        self.env.cr.execute("UPDATE secure_consent SET thread_id = NULL")
        self.env.invalidate_all()
        self.assertFalse(row.with_user(self.sender).has_access("read"))
        self.assertTrue(row.with_user(self.manager).has_access("read"))

    def test_only_ones_that_count(self):
        _sent, visitor = self.agreed()
        visitor.get(f"/{visitor.path}/consent")
        self.answer(visitor, "withdrawn")
        self.agreed(partner=self.other_contact)
        consents = self.env["secure.consent"].with_user(self.manager)
        last = consents.search([("is_last", "=", True)], order="id")
        self.assertEqual(last.mapped("outcome"), ["withdrawn", "agreed"])
        self.assertEqual(last.mapped("is_last"), [True, True])
        self.assertFalse((consents.search([]) - last).is_last)

    def test_contact_with_answers_cannot_be_deleted(self):
        sent, _visitor = self.agreed()
        # What the conversation's own hold on its contact would hide
        self.env.cr.execute("UPDATE secure_thread SET partner_id = NULL")
        self.env.invalidate_all()
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError):
            self.contact.unlink()
        self.assertTrue(sent.thread.exists())

    def test_answers_follow_when_contacts_are_merged(self):
        twin = self.contact.copy({"name": "Clara Twin"})
        self.agreed(partner=twin)
        self.agreed(partner=self.contact)
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        with mute_logger("odoo.addons.base.models.ir_model"):
            wizard._merge((self.contact | twin).ids, dst_partner=self.contact)
        self.env.invalidate_all()
        self.assertEqual(self.consents.partner_id, self.contact)
        self.assertEqual(self.outcomes(), ["agreed", "agreed"])
        self.assertEqual(self.consents.mapped("is_last"), [False, True])
        _sent, visitor = self.opened()
        self.assertIn(CANARY, visitor.text)
        visitor.get(f"/{visitor.path}/consent")
        self.answer(visitor, "withdrawn")
        self.assertKeptOut(visitor)

    def test_what_staff_see(self):
        thread = self.send().thread.with_user(self.sender)
        partner = self.contact.with_user(self.sender)

        def seen():
            self.env.invalidate_all()
            return (
                thread.consent_state,
                thread.consent_is_outdated,
                partner.secure_consent_state,
                partner.secure_consent_version,
            )

        self.assertEqual(seen(), ("asked", False, False, False))
        self.visitor.open_gate(self.token)
        self.answer(self.visitor, "declined")
        self.assertEqual(seen(), ("declined", False, "declined", "Version 1"))
        self.visitor.get("/" + self.visitor.path)
        self.answer(self.visitor, "agreed")
        self.assertEqual(seen(), ("agreed", False, "agreed", "Version 1"))
        self.assertEqual(thread.consent_version, "Version 1")
        self.assertEqual(thread.consent_date, self.consents[-1].date)
        self.assertEqual(partner.secure_consent_date, self.consents[-1].date)
        # Another conversation with the same contact: asked already
        other = self.send().thread.with_user(self.sender)
        self.assertEqual(other.consent_state, "agreed")
        self.company.secure_consent_text = "Another text"
        self.assertEqual(seen(), ("agreed", True, "agreed", "Version 1"))
        self.company.secure_consent_for = "nobody"
        self.assertEqual(seen(), ("agreed", False, "agreed", "Version 1"))
        fresh = self.send(partner=self.other_contact).thread.with_user(self.sender)
        self.assertFalse(fresh.consent_state)
        for action in (thread.action_open_consents(), partner.action_secure_consents()):
            found = self.env[action["res_model"]].search(action["domain"])
            self.assertEqual(found, self.consents)
        self.assertEqual(
            self.consents[-1].with_user(self.sender).action_open_thread()["res_id"],
            thread.id,
        )
        with self.assertRaises(AccessError):
            self.contact.with_user(self.clerk).read(["secure_consent_state"])
