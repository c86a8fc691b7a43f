"""What staff do with PINs: see which will be asked for, set one and thousands, replace
the one of a conversation; and what others are told of it."""

import csv
import io
import json
import logging
from datetime import timedelta
from unittest.mock import patch

import psycopg2

from odoo import SUPERUSER_ID, api, fields
from odoo.exceptions import (
    AccessError,
    ConcurrencyError,
    UserError,
    ValidationError,
)
from odoo.tests import BaseCase, HttpCase, tagged
from odoo.tools import mute_logger

from ..models import secure_pin_bulk, secure_road_pins
from ..models.secure_keyring import KeysUnavailable
from ..tools import notification as texts
from ..tools import pin_list, pin_policy
from ..tools.keyring import Purpose
from ..wizard import secure_pin_import
from .common import CANARY, PIN, SecureCase, same_transaction
from .test_compose import ComposeCase
from .test_roads import RoadCase

OTHER_PIN = "603852"
DEFAULT_PIN = "918274"
OF_ANY = "Contact's PIN; else: whoever has none is not sent to"


class PinCase(RoadCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.boss = cls._user("boss", "base.group_user,secure_messaging.group_manager")

    def crowd(self, count, **values):
        return self.env["res.partner"].create(
            [
                {"name": f"Contact {n}", "email": f"c{n}@crowd.example", **values}
                for n in range(count)
            ]
        )

    def read_list(self, text, user=None):
        wizards = self.env["secure.pin.import"].with_user(user or self.manager)
        return wizards.create({"text": text})

    def import_pins(self, pins, user=None):
        """By database id; returns what was set in bulk."""
        lines = [f"{partner.id},{pin}" for partner, pin in pins.items()]
        return self.read_list("\n".join([".id,pin", *lines]), user).bulk_id.sudo()

    def with_pin(self, partners):
        partners.invalidate_recordset(["secure_pin_is_set"])
        return partners.filtered("secure_pin_is_set")

    def opens_with(self, pin, sent):
        return pin_opens(self.env, sent.thread, pin)

    def to_dos(self, user):
        return (
            self.env["mail.activity"]
            .search([("user_id", "=", user.id)])
            .mapped("summary")
        )

    def run_bulk_cron(self):
        """Commits as a cron does are not for tests."""
        with patch.object(
            type(self.env["ir.cron"]), "_commit_progress", return_value=60.0
        ):
            self.env["secure.pin.bulk"]._cron_run()


# -- which PIN will be asked for ----------------------------------------------


@tagged("post_install", "-at_install")
class TestPinLine(PinCase):
    def setUp(self):
        super().setUp()
        self.company.secure_pin_required = True
        self.set_pin(self.contact, PIN)

    def line(self, partners, user=None):
        return partners.with_user(user or self.sender).secure_pin_line()

    def test_words(self):
        self.assertEqual(self.line(self.contact)["text"], "Contact's PIN")
        one = self.line(self.both)
        self.assertEqual(one["text"], "Contact's PIN (1); 1 contact has none")
        more = self.line(self.both | self.crowd(2))
        self.assertEqual(more["text"], "Contact's PIN (1); 3 contacts have none")
        nobody = self.line(self.other_contact)["text"]
        self.assertEqual(nobody, "a PIN; 1 contact has none")
        self.set_pin(self.company, DEFAULT_PIN)
        both = self.line(self.both)
        self.assertEqual(both["text"], "Company default PIN (1), Contact's PIN (1)")
        self.assertEqual(both["missing"], [])

    def test_not_required(self):
        self.company.secure_pin_required = False
        line = self.line(self.both)
        self.assertEqual(line, {"text": "No PIN (1), Contact's PIN (1)", "missing": []})

    def test_who_has_none_can_be_given_one(self):
        others = self.other_contact | self.crowd(5)
        missing = self.line(others)["missing"]
        self.assertEqual(len(missing), 3)
        self.assertEqual(
            missing[0], {"id": self.other_contact.id, "name": "Otto Other"}
        )
        # Who may not set PINs is told, too, and offered nothing
        line = self.line(others, self.clerk)
        self.assertIn("6 contacts have none", line["text"])
        self.assertEqual(line["missing"], [])

    def test_only_of_contacts_one_may_read(self):
        with self.assertRaises(AccessError):
            self.line(self.contact, self.portal)
        # Nor do contacts learn what they will be asked for
        with self.assertRaises(AccessError):
            self.line(self.portal.partner_id, self.portal)

    def test_email_composer(self):
        def composed(**values):
            composers = self.env["mail.compose.message"].with_user(self.sender)
            return composers.create(
                {"model": "res.partner", "secure_send": True, "body": "x", **values}
            )

        one = composed(res_ids=self.contact.ids, partner_ids=self.both.ids)
        text = "Contact's PIN (1); 1 contact has none"
        self.assertEqual(one.secure_pin_summary, text)
        self.assertEqual(one.secure_pin_missing[0]["name"], "Otto Other")
        one.secure_send = False
        self.assertFalse(one.secure_pin_summary)
        many = {"composition_mode": "mass_mail", "res_ids": self.both.ids}
        self.assertEqual(composed(**many).secure_pin_summary, text)
        # Who gets it is for the template to say, contact by contact
        template = self.env["mail.template"].create(
            {
                "name": "To somebody else",
                "model_id": self.partner_model.id,
                "partner_to": "{{ object.parent_id.id }}",
                "use_default_to": False,
            }
        )
        told = composed(**many, template_id=template.id)
        told.secure_send = True
        self.assertEqual(told.secure_pin_summary, OF_ANY)

    def test_sms_composer(self):
        for partners, mode, text in (
            (self.contact, "comment", "Contact's PIN"),
            (self.both, "mass", "Contact's PIN (1); 1 contact has none"),
        ):
            composer = (
                self.env["sms.composer"]
                .with_user(self.sender)
                .create(
                    {
                        "res_model": "res.partner",
                        "res_ids": json.dumps(partners.ids),
                        "res_id": partners[:1].id,
                        "composition_mode": mode,
                        "body": "x",
                        "secure_send": True,
                    }
                )
            )
            self.assertEqual(composer.secure_pin_summary, text)

    def test_too_many_to_count(self):
        rows = [{"partner": self.contact, "company": self.company}] * 2
        with patch.object(secure_road_pins, "SUMMED_UP", 1):
            line = self.env["secure.road"].with_user(self.sender)._pin_line(rows)
        self.assertEqual(line["text"], OF_ANY)
        self.assertEqual(line["missing"], [])

    def test_queries_do_not_grow(self):
        counts = []
        for number in (2, 5, 50):
            partners = self.crowd(number).with_user(self.sender)
            self.env.flush_all()
            self.env.invalidate_all()
            start = self.env.cr.sql_log_count
            partners.secure_pin_line()
            counts.append(self.env.cr.sql_log_count - start)
        # The first pays for what Odoo keeps in memory
        self.assertEqual(*counts[1:])


@tagged("post_install", "-at_install")
class TestComposeLine(ComposeCase):
    def test_more_than_are_looked_at(self):
        """Problems are told of the first 200; what is asked for, of all."""
        partners = self.env["res.partner"].create(
            [{"name": f"C{n}", "email": f"c{n}@x.example"} for n in range(201)]
        )
        self.set_pin(partners[200], PIN)
        form = self.form(partner_ids=partners.ids)
        self.assertEqual(form.pin_summary, "No PIN (200), Contact's PIN (1)")
        self.company.secure_pin_required = True
        form.invalidate_recordset(["pin_summary", "pin_missing"])
        self.assertEqual(form.pin_summary, "Contact's PIN (1); 200 contacts have none")
        self.assertEqual([one["name"] for one in form.pin_missing], ["C0", "C1", "C2"])


# -- the PIN in the form for new messages -------------------------------------


@tagged("post_install", "-at_install")
class TestComposePin(ComposeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sender.group_ids |= cls.env.ref("base.group_allow_export")

    def test_statement_23_write_only(self):
        form = self.form(pin=PIN)
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertFalse(form.pin)
        self.assertTrue(form.has_kept_pin)
        names = [name for name in form._fields if not name.startswith("preview")]
        readable = [
            name for name in names if form._has_field_access(form._fields[name], "read")
        ]
        self.assertIn("pin", readable)
        self.assertNotIn(PIN, str(form.read(readable)))
        self.assertNotIn(PIN, str(form.web_read({name: {} for name in readable})))
        self.assertNotIn(PIN, str(form.export_data(["pin", "pin_summary"])))
        with self.assertRaises(AccessError):
            form.read(["sealed_pin"])
        copy = form.copy()
        self.assertFalse(copy.has_kept_pin)

    def test_statement_23_onchange_does_not_echo(self):
        forms = self.env["secure.compose"].with_user(self.sender)
        spec = {"pin": {}, "pin_summary": {}, "problem": {}, "has_kept_pin": {}}
        values = {"partner_ids": [(6, 0, self.both.ids)], "pin": PIN}
        result = forms.onchange(values, ["pin"], spec)
        self.assertEqual(result["value"]["pin_summary"], "PIN of this conversation")
        self.assertNotIn(PIN, str(result))
        saved = self.form(pin=PIN)
        self.env.invalidate_all()
        result = saved.onchange({"channel": "sms"}, ["channel"], spec)
        self.assertNotIn(PIN, str(result))

    def test_it_stays_until_it_is_changed(self):
        form = self.form(pin=PIN)
        form.write({"subject": "Another"})
        form.write({"pin": False})
        self.assertTrue(form.has_kept_pin)
        with self.scan() as scan:
            form.action_send()
            self.assertSent(self.both)
            self.assertNoLeak(scan, PIN)
        for thread in self.threads():
            self.assertEqual(thread.pin_rule, "message")
            self.assertTrue(pin_opens(self.env, thread, PIN))

    def test_changed(self):
        form = self.form(pin=PIN)
        form.write({"keep_pin": False, "pin": OTHER_PIN})
        self.assertTrue(form.keep_pin)
        with self.gateways():
            form.action_send()
        [one, two] = self.threads()
        for thread in one | two:
            self.assertFalse(pin_opens(self.env, thread, PIN))
            self.assertTrue(pin_opens(self.env, thread, OTHER_PIN))

    def test_taken_out(self):
        form = self.form(pin=PIN)
        form.keep_pin = False
        self.assertEqual(form.pin_summary, "No PIN")
        with self.gateways():
            form.action_send()
        self.assertEqual(set(self.threads().mapped("pin_rule")), {"none"})

    def test_lost_pin_stops_the_send(self):
        form = self.form(pin=PIN)
        with (
            self.gateways(),
            patch.object(type(form), "_kept_pin", return_value=False),
            self.assertRaisesRegex(UserError, "PIN of this message is gone"),
        ):
            form.action_send()
        self.assertFalse(self.threads())

    def test_of_somebody_else(self):
        form = self.form(pin=PIN)
        self.assertFalse(form.with_user(self.colleague).sudo()._open("sealed_pin"))


# -- where a PIN must not stand -----------------------------------------------


@tagged("post_install", "-at_install")
class TestNotTogether(ComposeCase):
    def test_statement_25_no_placeholder_is_a_pin(self):
        self.assertFalse([name for name in texts.PLACEHOLDERS if "pin" in name])
        for name in ("secure_email_body", "secure_sms_body"):
            with self.assertRaisesRegex(ValidationError, "not allowed"):
                self.company[name] = "{{ secure_link }} {{ pin }}"

    def test_statement_25_pin_in_the_notifications_text(self):
        self.company.secure_email_body = "Use 60 38-52 here: {{ secure_link }}"
        form = self.form(pin=OTHER_PIN)
        self.assertIn("stands in the notification", form.problem)
        with self.gateways(), self.assertRaisesRegex(UserError, "in the notification"):
            form.action_send()
        self.assertFalse(self.threads())
        # By SMS its own text counts
        self.assertFalse(self.form(pin=OTHER_PIN, channel="sms").problem)
        self.company.secure_sms_body = f"{OTHER_PIN} {{{{ secure_link }}}}"
        by_sms = self.form(pin=OTHER_PIN, channel="sms")
        self.assertIn("stands in the notification", by_sms.problem)

    def test_statement_25_pin_in_a_name(self):
        self.sender.sudo().name = f"Sender {OTHER_PIN}"
        self.assertIn("stands in the notification", self.form(pin=OTHER_PIN).problem)
        self.contact.name = f"Clara {PIN}"
        with self.assertRaisesRegex(UserError, "too easy"):
            self.set_pin(self.contact, PIN)

    def test_statement_25_default_pin_and_texts(self):
        self.set_pin(self.company, DEFAULT_PIN)
        with self.assertRaisesRegex(ValidationError, "default PIN must not stand"):
            self.company.secure_sms_body = "PIN 918 274: {{ secure_link }}"
        self.company.secure_sms_body = "PIN 60-38-52: {{ secure_link }}"
        with self.assertRaisesRegex(UserError, "too easy"):
            self.set_pin(self.company, OTHER_PIN)


# -- in no log and no error report --------------------------------------------


@tagged("post_install", "-at_install")
class TestErrorReport(SecureCase, HttpCase):
    """What a client calls with, when the call fails."""

    def call(self, model, method, args, kwargs=None):
        self.authenticate("manager", "manager-manager")
        body = {
            "jsonrpc": "2.0",
            "params": {
                "model": model,
                "method": method,
                "args": args,
                "kwargs": kwargs or {},
            },
        }
        url = f"/web/dataset/call_kw/{model}/{method}"
        return self.url_open(url, json=body).text

    def calls(self):
        """Each way a PIN comes in."""
        self.thread = self.send().thread
        contact, thread = self.contact.id, self.thread.id
        yield "secure.pin.wizard", {"partner_id": contact, "pin": OTHER_PIN}
        yield "secure.pin.wizard", {"thread_id": thread, "pin": OTHER_PIN}
        yield "secure.pin.import", {"text": f".id,pin\n{contact},{OTHER_PIN}"}
        yield "secure.compose", {"partner_ids": [contact], "pin": OTHER_PIN}

    def assertQuiet(self, broken):
        for model, values in self.calls():
            with self.subTest(model=model), self.leak_scan() as scan, broken():
                answer = self.call(model, "create", [values])
                self.assertIn('"error"', answer)
                self.assertNotIn(OTHER_PIN, answer)
                self.assertNoLeak(scan, OTHER_PIN)

    def test_statement_23_server_error(self):
        def broken():
            return patch.object(
                type(self.env["secure.keyring"]), "_seal", side_effect=RuntimeError("x")
            )

        self.assertQuiet(broken)

    def test_statement_23_refusal(self):
        def broken():
            return patch.object(
                pin_policy, "check", side_effect=pin_policy.PinRefused("obvious")
            )

        for model, values in list(self.calls())[:3]:
            with self.subTest(model=model), self.leak_scan() as scan, broken():
                answer = self.call(model, "create", [values])
                self.assertIn('"error"', answer)
                self.assertNotIn(OTHER_PIN, answer)
                self.assertNoLeak(scan, OTHER_PIN)

    def test_statement_23_debug_log(self):
        calls = logging.getLogger("odoo.service.model")
        for model, values in self.calls():
            with self.subTest(model=model), self.leak_scan() as scan:
                with self.assertLogs(calls, logging.DEBUG) as logged:
                    self.call(model, "create", [values])
                said = "\n".join(logged.output)
                self.assertIn(f"call {model}().create(***)", said)
                self.assertNotIn(OTHER_PIN, said)
                self.assertNoLeak(scan, OTHER_PIN)
        with self.assertLogs(calls, logging.DEBUG) as logged:
            self.call("res.partner", "search_count", [[("name", "=", "Abc")]])
        self.assertIn("Abc", "\n".join(logged.output))


# -- many at once -------------------------------------------------------------


@tagged("post_install", "-at_install")
class TestPinList(BaseCase):
    def refusal(self, text):
        with self.assertRaises(pin_list.ListRefused) as caught:
            pin_list.parse(text)
        return caught.exception.reason

    def test_forms(self):
        for text in (
            "email,pin\na@b.example,0123\n",
            "\ufeffEmail;PIN\r\na@b.example;0123\r\n",
            "Name\tE-Mail\tPin\nA\ta@b.example\t0123",
            '"pin","email"\n"0123","a@b.example"',
            "\n\nemail,pin\n\n a@b.example , 0123 \n\n",
        ):
            with self.subTest(text=text):
                key, [(_line, name, pin)] = pin_list.parse(text)
                self.assertEqual((key, name, pin), ("email", "a@b.example", "0123"))

    def test_lines_are_the_files_own(self):
        text = 'id,name,pin\n\na.b,"two\nlines",0123\na.c,x,4567\n'
        _key, rows = pin_list.parse(text)
        self.assertEqual(rows, [(4, "a.b", "0123"), (5, "a.c", "4567")])

    def test_first_way_counts(self):
        headings = ["email", "ref", "id", ".id"]
        for number, key in enumerate(("email", "ref", "external_id", "database_id")):
            text = ",".join([*headings[: number + 1], "pin"]) + "\n" + "1," * 5
            self.assertEqual(pin_list.parse(text)[0], key)

    def test_refused(self):
        self.assertEqual(self.refusal(""), "empty")
        self.assertEqual(self.refusal("email,pin\n"), "empty")
        self.assertEqual(self.refusal("email,code\na@b.example,0123"), "pin")
        self.assertEqual(self.refusal("name,pin\nA,0123"), "contact")
        self.assertEqual(self.refusal('email,pin\n"a@b.example,1'), "broken")
        long = "ref,pin\n" + "1,2\n" * (pin_list.MAX_LINES + 1)
        self.assertEqual(self.refusal(long), "long")
        self.assertEqual(self.refusal("x" * (pin_list.MAX_CHARACTERS + 1)), "long")


@tagged("post_install", "-at_install")
class TestImport(PinCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager.group_ids |= cls.env.ref("base.group_allow_export")

    def test_statement_23_nothing_typed_is_kept(self):
        with self.leak_scan() as scan:
            row = f"CLARA@client.example,{OTHER_PIN},TYPEDbeside4711"
            wizard = self.read_list(f"email,pin,note\n{row}\n")
            self.env.flush_all()
            self.env.invalidate_all()
            self.assertFalse(wizard.text)
            self.assertNotIn(OTHER_PIN, str(wizard.read()))
            self.assertNotIn(OTHER_PIN, str(wizard.export_data(["text"])))
            self.assertNotIn(OTHER_PIN, str(wizard.bulk_id.read()))
            self.assertNoLeak(scan, OTHER_PIN, "TYPEDbeside4711")
        self.assertEqual(self.with_pin(self.both), self.contact)
        sent = self.send()
        self.assertTrue(self.opens_with(OTHER_PIN, sent))
        self.assertIn("1", wizard.action_import()["params"]["message"])

    def test_statement_23_what_waits_is_sealed(self):
        people = self.crowd(2)
        with self.leak_scan() as scan, patch.object(secure_pin_bulk, "CHUNK", 1):
            bulk = self.import_pins({people[0]: PIN, people[1]: OTHER_PIN})
            self.assertEqual(bulk.waiting_count, 2)
            self.assertTrue(all(bulk.line_ids.mapped("pin_sealed")))
            self.assertNoLeak(scan, PIN, OTHER_PIN)
            with self.assertRaises(AccessError):
                bulk.line_ids.with_user(self.manager).read(["pin_sealed"])
            self.run_bulk_cron()
            self.assertFalse(any(bulk.line_ids.mapped("pin_sealed")))
            self.assertNoLeak(scan, PIN, OTHER_PIN)

    def test_each_way_to_name_a_contact(self):
        self.other_contact.ref = "P-17"
        self.env["ir.model.data"].create(
            {
                "module": "practice",
                "name": "otto",
                "model": "res.partner",
                "res_id": self.other_contact.id,
            }
        )
        for number, (heading, name) in enumerate(
            (
                (".id", self.other_contact.id),
                ("id", "practice.otto"),
                ("ref", "P-17"),
                ("email", "OTTO@client.example"),
            )
        ):
            with self.subTest(heading=heading):
                pin = f"6{number}3852"
                self.read_list(f"{heading};pin\n{name};{pin}")
                sent = self.send(partner=self.other_contact)
                self.assertTrue(self.opens_with(pin, sent))

    def test_all_errors_by_line_and_nothing_set(self):
        self.crowd(1, ref="twice")
        self.crowd(1, ref="twice")
        self.contact.ref = "one"
        text = (
            f"ref,pin\none,{PIN}\nnobody,{PIN}\ntwice,{PIN}\none,{OTHER_PIN}\n,{PIN}\n"
        )
        self.other_contact.ref = "two"
        text += "two,\n"
        with self.assertRaises(UserError) as refused:
            self.read_list(text)
        said = str(refused.exception).splitlines()
        self.assertEqual(said[0], "No PIN was set.")
        for line, words in (
            (3, "no contact is found"),
            (4, "several contacts fit"),
            (5, "the contact of line 2 again"),
            (6, "no contact is named"),
            (7, "no PIN"),
        ):
            self.assertIn(f"Line {line}: {words}", "\n".join(said))
        self.assertEqual(len(said), 6)
        self.assertFalse(self.with_pin(self.both))
        self.assertFalse(self.env["secure.pin.bulk"].search([]))

    def test_bad_pins_are_named_by_line_only(self):
        self.contact.ref, self.other_contact.ref = "one", "two"
        with self.assertRaises(UserError) as refused:
            self.read_list("ref,pin\none,121212\ntwo,83917x")
        said = str(refused.exception)
        self.assertIn("Line 2: This PIN is too easy", said)
        self.assertIn("Line 3: A PIN consists of digits", said)
        # Told and logged: nothing that was typed
        for typed in ("121212", "83917x", "one,"):
            self.assertNotIn(typed, said)

    def test_many_errors_are_cut(self):
        lines = [f"nobody{n},{PIN}" for n in range(secure_pin_import.ERRORS_TOLD + 5)]
        with self.assertRaisesRegex(UserError, "and 5 more problems"):
            self.read_list("\n".join(["ref,pin", *lines]))

    def test_refused_lists(self):
        for text, words in (
            ("ref,pin", "is empty"),
            (f"ref\n{PIN}", "no heading"),
            (f"name,pin\nA,{PIN}", "how contacts are named"),
        ):
            with self.assertRaisesRegex(UserError, words):
                self.read_list(text)
        with self.assertRaisesRegex(UserError, "paste a list"):
            self.read_list(False).action_import()

    def test_who_may(self):
        for user in (self.sender, self.clerk, self.portal):
            with self.assertRaises(AccessError):
                self.import_pins({self.contact: PIN}, user)
        hidden = self.env["res.company"].create({"name": "Elsewhere"})
        self.other_contact.company_id = hidden
        with self.assertRaisesRegex(UserError, "none that you may see"):
            self.import_pins({self.other_contact: PIN})

    def test_queries_do_not_grow(self):
        counts = []
        for number in (2, 3, 30):
            people = self.crowd(number)
            pins = {partner: f"{603852 + n}" for n, partner in enumerate(people)}
            self.env.flush_all()
            self.env.invalidate_all()
            start = self.env.cr.sql_log_count
            with patch.object(secure_pin_bulk, "CHUNK", 2):
                self.import_pins(pins)
                self.env.flush_all()
            noted = self.env.cr.sql_log_count
            with patch.object(secure_pin_bulk, "CHUNK", 100):
                self.run_bulk_cron()
            counts.append((noted - start, self.env.cr.sql_log_count - noted))
            self.assertEqual(self.with_pin(people), people)
        # The first pays for what Odoo keeps in memory
        for few, many in zip(*counts[1:], strict=True):
            self.assertLessEqual(many, few)

    def test_locks_of_the_contacts_end(self):
        sent = self.send(pin=DEFAULT_PIN)
        self.env.cr.execute(
            """INSERT INTO secure_attempt
                      (kind, key, window_start, window_count, total, locked_until)
               VALUES ('contact', %s, NOW(), 0, 50, NULL),
                      ('link', %s, NOW(), 20, 20, NOW() + interval '1 hour')""",
            [str(self.contact.id), str(sent.link.id)],
        )
        with patch.object(
            type(self.env["secure.attempt"]), "_own_transaction", same_transaction
        ):
            self.import_pins({self.contact: PIN})
            self.env.cr.postcommit.run()
        attempts = self.env["secure.attempt"]
        self.assertFalse(attempts._staff_can_unlock(self.contact, sent.link.sudo()))


@tagged("post_install", "-at_install")
class TestBulkQueue(PinCase):
    def setUp(self):
        super().setUp()
        self.people = self.crowd(5)
        self.pins = {one: f"{603852 + n}" for n, one in enumerate(self.people)}
        self.startPatcher(patch.object(secure_pin_bulk, "CHUNK", 2))

    def test_few_are_set_at_once(self):
        bulk = self.import_pins({self.people[0]: PIN})
        self.assertEqual((bulk.state, bulk.done_count), ("done", 1))

    def test_many_by_the_cron(self):
        cron = self.env.ref("secure_messaging.ir_cron_pin_bulk")
        bulk = self.import_pins(self.pins)
        self.assertEqual((bulk.state, bulk.waiting_count), ("running", 5))
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)])
        self.assertTrue(triggers)
        with patch.object(
            type(self.env["ir.cron"]), "_commit_progress", return_value=60.0
        ) as progress:
            self.env["secure.pin.bulk"]._cron_run()
        noted = [(call.args, call.kwargs) for call in progress.call_args_list]
        steps = [((2,), 3), ((2,), 1), ((1,), 0)]
        self.assertEqual(noted, [(done, {"remaining": left}) for done, left in steps])
        self.assertEqual((bulk.state, bulk.done_count), ("done", 5))
        self.assertEqual(self.with_pin(self.people), self.people)

    def test_statement_47_goes_on_where_it_was_killed(self):
        bulk = self.import_pins(self.pins)
        self.env.flush_all()
        with patch.object(
            type(self.env["ir.cron"]), "_commit_progress", return_value=0.0
        ):
            self.env["secure.pin.bulk"]._cron_run()
        self.assertEqual((bulk.done_count, bulk.waiting_count), (2, 3))
        died = RuntimeError("killed")
        with (
            self.assertRaises(RuntimeError),
            self.env.cr.savepoint(),
            patch.object(type(bulk), "_finish", side_effect=died),
        ):
            bulk._run_chunk()
        self.env.invalidate_all()
        self.assertEqual((bulk.done_count, bulk.waiting_count), (2, 3))
        pins = self.env["secure.pin"].search([("partner_id", "in", self.people.ids)])
        self.assertEqual(len(pins), 2)
        self.run_bulk_cron()
        self.assertEqual(bulk.done_count, 5)
        pins = self.env["secure.pin"].search([("partner_id", "in", self.people.ids)])
        self.assertEqual(pins.mapped("generation"), [1] * 5)

    def test_what_is_wrong_with_one_stops_nobody_else(self):
        bulk = self.import_pins(self.pins)
        lines = self.env["secure.pin.bulk.line"]
        opened = type(lines)._opened

        def broken(line):
            if line.partner_id == self.people[1]:
                raise ValueError(f"about {OTHER_PIN}")
            return opened(line)

        with (
            self.leak_scan() as scan,
            patch.object(type(lines), "_opened", broken),
            mute_logger("odoo.addons.secure_messaging.models.secure_pin_bulk"),
        ):
            self.run_bulk_cron()
            self.assertNoLeak(scan, OTHER_PIN)
        self.assertEqual((bulk.state, bulk.done_count), ("failed", 4))
        failed = bulk.line_ids.filtered(lambda line: line.state == "failed")
        self.assertEqual(failed.partner_id, self.people[1])
        self.assertIn("went wrong", failed.reason)

    def test_whose_pin_was_not_set_gets_no_fresh_budget(self):
        """It would be more tries at the old PIN."""
        bulk = self.import_pins(self.pins).sudo()
        lines = type(bulk.line_ids)
        put, last = lines._set, self.people[-1]

        def failing(chunk):
            done = put(chunk)
            if last in done:
                raise ValueError
            return done

        for person in self.people:
            self.env.cr.execute(
                """INSERT INTO secure_attempt
                          (kind, key, window_start, window_count, total)
                   VALUES ('contact', %s, NOW(), 0, 50)""",
                [str(person.id)],
            )
        attempts = self.env["secure.attempt"]
        with (
            patch.object(type(attempts), "_own_transaction", same_transaction),
            patch.object(lines, "_set", failing),
            mute_logger("odoo.addons.secure_messaging.models.secure_pin_bulk"),
        ):
            bulk._set_lines(bulk.line_ids)
            self.env.cr.postcommit.run()
        none = self.env["secure.link"]
        locked = [one for one in self.people if attempts._staff_can_unlock(one, none)]
        self.assertEqual(locked, [last])

    def test_another_worker_in_between(self):
        """The chunk is run again, not left, and nobody fails for it."""
        bulk = self.import_pins(self.pins)
        lines = type(self.env["secure.pin.bulk.line"])
        put, in_between = (
            lines._set,
            [
                ConcurrencyError("once"),
                psycopg2.errors.SerializationFailure("twice"),
                psycopg2.errors.DeadlockDetected("and again"),
            ],
        )

        def clashing(chunk):
            done = put(chunk)
            if in_between:
                raise in_between.pop()
            return done

        self.env.flush_all()
        with (
            patch.object(lines, "_set", clashing),
            self.enter_registry_test_mode(),
            self.registry.cursor() as cr,
        ):
            api.Environment(cr, SUPERUSER_ID, {})["secure.pin.bulk"]._cron_run()
        self.env.invalidate_all()
        self.assertFalse(in_between)
        self.assertEqual((bulk.state, bulk.done_count), ("done", 5))
        pins = self.env["secure.pin"].search([("partner_id", "in", self.people.ids)])
        self.assertEqual(pins.mapped("generation"), [1] * 5)

    def test_waits_for_a_missing_key(self):
        bulk = self.import_pins(self.pins)
        keyring = type(self.env["secure.keyring"])
        with patch.object(keyring, "_open", side_effect=KeysUnavailable("no key")):
            self.run_bulk_cron()
        self.assertEqual((bulk.state, bulk.waiting_count), ("running", 5))
        self.assertEqual(bulk.problem, "no key")
        self.run_bulk_cron()
        self.assertEqual((bulk.state, bulk.problem), ("done", False))

    def test_by_hand_meanwhile(self):
        bulk = self.import_pins(self.pins)
        self.set_pin(self.people[0], PIN)
        self.run_bulk_cron()
        [line] = bulk.line_ids.filtered(lambda line: line.state == "failed")
        self.assertEqual(line.partner_id, self.people[0])
        self.assertIn("by hand", line.reason)
        sent = self.send(partner=self.people[0])
        self.assertTrue(self.opens_with(PIN, sent))

    def test_the_last_list_counts(self):
        first = self.import_pins(self.pins)
        second = self.import_pins({one: OTHER_PIN for one in self.people[:3]})
        self.assertEqual(first.failed_count, 3)
        self.run_bulk_cron()
        self.assertEqual((first.done_count, second.done_count), (2, 3))
        sent = self.send(partner=self.people[0])
        self.assertTrue(self.opens_with(OTHER_PIN, sent))

    def test_who_sees_it(self):
        bulk = self.import_pins(self.pins, self.boss)
        self.assertFalse(self.env["secure.pin.bulk"].with_user(self.sender).search([]))
        self.assertTrue(bulk.with_user(self.manager).has_access("read"))
        for user in (self.sender, self.manager, self.env.ref("base.user_admin")):
            for operation in ("write", "create", "unlink"):
                self.assertFalse(bulk.with_user(user).has_access(operation))
                lines = bulk.line_ids.with_user(user)
                self.assertFalse(lines.has_access(operation))
        with self.assertRaises(UserError):
            bulk.copy()

    def test_log_names_who_chose_them(self):
        sent = self.send(partner=self.people[0])
        self.import_pins(self.pins, self.boss)
        self.run_bulk_cron()
        row = self.env["secure.access.log"].search(
            [("thread_id", "=", sent.thread.id), ("kind", "=", "pin_set")]
        )
        self.assertEqual(row.user_id, self.boss.id)

    def test_forgotten_after_a_while(self):
        bulk, running = self.import_pins({self.people[0]: PIN}), None
        running = self.import_pins({one: PIN for one in self.people[1:]})
        old = fields.Datetime.now() - timedelta(days=secure_pin_bulk.DAYS_KEPT + 1)
        (bulk | running).date = old
        self.env["secure.pin.bulk"]._gc_old()
        self.assertFalse(bulk.exists())
        self.assertTrue(running.exists())


@tagged("post_install", "-at_install")
class TestGenerate(PinCase):
    def generate(self, partners, user=None, **values):
        action = partners.with_user(user or self.manager).action_secure_generate_pins()
        wizard = self.env[action["res_model"]].with_user(user or self.manager)
        wizard = wizard.browse(action["res_id"])
        wizard.write(values)
        return wizard

    def test_statement_23_shown_once(self):
        with self.leak_scan() as scan:
            wizard = self.generate(self.both)
            params = wizard.action_generate()["params"]
            pins = {row["id"]: row["pin"] for row in params["pins"]}
            self.env.flush_all()
            self.assertNoLeak(scan, *pins.values())
        self.assertEqual(pins.keys(), set(self.both.ids))
        self.assertEqual({len(pin) for pin in pins.values()}, {6})
        self.assertFalse(params["next"])
        sent = self.send()
        self.assertTrue(self.opens_with(pins[self.contact.id], sent))
        self.assertNotIn(pins[self.contact.id], str(wizard.read()))

    def test_those_who_have_one_keep_it(self):
        self.set_pin(self.contact, PIN)
        wizard = self.generate(self.both)
        self.assertEqual((wizard.with_count, wizard.todo_count), (1, 1))
        [row] = wizard.action_generate()["params"]["pins"]
        self.assertEqual(row["name"], "Otto Other")
        self.assertTrue(self.opens_with(PIN, self.send()))
        with self.assertRaisesRegex(UserError, "have a PIN already"):
            self.generate(self.both).action_generate()

    def test_replaced_only_when_chosen(self):
        self.set_pin(self.contact, PIN)
        [row] = self.generate(self.contact, replace=True).action_generate()["params"][
            "pins"
        ]
        sent = self.send()
        self.assertFalse(self.opens_with(PIN, sent))
        self.assertTrue(self.opens_with(row["pin"], sent))

    def test_many_are_shown_at_once_and_set_by_the_cron(self):
        people = self.crowd(3)
        with patch.object(secure_pin_bulk, "CHUNK", 2):
            params = self.generate(people).action_generate()["params"]
            self.assertEqual(len(params["pins"]), 3)
            self.assertEqual(params["next"]["res_model"], "secure.pin.bulk")
            self.run_bulk_cron()
        for row in params["pins"]:
            sent = self.send(partner=people.browse(row["id"]))
            self.assertTrue(self.opens_with(row["pin"], sent))

    def test_what_was_not_set_is_not_shown(self):
        """Told to the contact, it would open nothing."""
        lines = self.env["secure.pin.bulk.line"]
        opened, broken = type(lines)._opened, self.contact

        def opened_or_not(line):
            if line.partner_id in broken:
                raise ValueError
            return opened(line)

        with (
            patch.object(type(lines), "_opened", opened_or_not),
            mute_logger("odoo.addons.secure_messaging.models.secure_pin_bulk"),
        ):
            params = self.generate(self.both).action_generate()["params"]
            [row] = params["pins"]
            self.assertEqual((row["id"], params["failed"]), (self.other_contact.id, 1))
            self.assertTrue(
                self.opens_with(row["pin"], self.send(partner=self.both[1]))
            )
            self.assertEqual(params["next"]["res_model"], "secure.pin.bulk")
            bulk = self.env["secure.pin.bulk"].browse(params["next"]["res_id"])
            self.assertEqual(bulk.state, "failed")
            # When there is nothing to show, the form alone says why
            broken = self.both
            action = self.generate(self.both, replace=True).action_generate()
            self.assertEqual(action["res_model"], "secure.pin.bulk")
            self.assertNotIn("params", action)

    def test_what_is_shown_can_be_imported(self):
        rows = self.generate(self.both).action_generate()["params"]["pins"]
        text = io.StringIO()
        writer = csv.DictWriter(text, ["id", "name", "pin"], delimiter=";")
        writer.writerows(rows)
        bulk = self.read_list(".id;name;pin\n" + text.getvalue()).bulk_id
        self.assertEqual(bulk.sudo().done_count, 2)

    def test_who_may(self):
        for user in (self.sender, self.clerk):
            with self.assertRaises(AccessError):
                self.generate(self.both, user)
        action = self.env.ref("secure_messaging.secure_pin_generate_action")
        with self.assertRaises(AccessError):
            action.with_user(self.sender).with_context(
                active_model="res.partner", active_ids=self.both.ids
            ).run()
        wizard = self.generate(self.both)
        with self.assertRaises(AccessError):
            wizard.with_user(self.boss).action_generate()


# -- a new PIN for what was sent ----------------------------------------------


@tagged("post_install", "-at_install")
class TestNewPin(PinCase):
    def new_pin(self, thread, user=None, **values):
        thread = thread.with_user(user or self.sender)
        context = thread.action_new_pin()["context"]
        wizards = self.env["secure.pin.wizard"].with_user(user or self.sender)
        return wizards.with_context(**context).create(values)

    def assertGate(self, pin, status):
        self.visitor.open_gate(self.token, pin=pin)
        self.assertEqual(self.visitor.status, status, self.visitor.text)

    def test_statement_41_tells_nothing_of_what_one_may_not_read(self):
        thread = self.send(pin=PIN).thread
        asked = {"is_set": {}, "has_contact": {}, "thread_id": {}}
        for user, told in ((self.sender, True), (self.colleague, False)):
            self.env.invalidate_all()
            wizards = self.env["secure.pin.wizard"].with_user(user)
            values = {"thread_id": thread.id}
            answer = wizards.onchange(values, ["thread_id"], asked)["value"]
            seen = [bool(answer.get(name)) for name in ("is_set", "has_contact")]
            self.assertEqual(seen, [told, told])

    def test_statement_23_of_a_message_with_its_own(self):
        sent = self.send(pin=PIN)
        self.assertGate(PIN, 200)
        with self.leak_scan() as scan:
            wizard = self.new_pin(sent.thread, pin=OTHER_PIN)
            self.assertFalse(wizard.pin)
            self.assertNotIn(OTHER_PIN, str(wizard.read()))
            self.assertNoLeak(scan, OTHER_PIN)
        # The open door has closed
        self.visitor.get(f"/{self.visitor.path}")
        self.assertNotIn(CANARY, self.visitor.text)
        self.assertGate(PIN, 403)
        self.visitor.submit(pin=OTHER_PIN)
        self.assertIn(CANARY, self.visitor.text)
        kinds = self.env["secure.access.log"].search(
            [("thread_id", "=", sent.thread.id), ("kind", "=", "pin_set")]
        )
        self.assertEqual(kinds.user_id, self.sender.id)

    def test_of_one_that_asks_for_another(self):
        for owner, pin in ((self.company, DEFAULT_PIN), (self.contact, PIN)):
            with self.subTest(owner=owner._name):
                self.set_pin(owner, pin)
                sent = self.send()
                self.new_pin(sent.thread, pin=OTHER_PIN)
                self.assertEqual(sent.thread.pin_rule, "message")
                self.assertGate(pin, 403)
                self.visitor.submit(pin=OTHER_PIN)
                self.assertEqual(self.visitor.status, 200)
                # The contact's others are as they were
                self.assertTrue(self.opens_with(pin, self.send()))

    def test_of_the_contact_everywhere(self):
        self.set_pin(self.contact, PIN)
        first, second = self.send(), self.send()
        self.new_pin(first.thread, scope="contact", pin=OTHER_PIN)
        for sent in (first, second):
            self.assertEqual(sent.thread._effective_rule(), "contact")
            self.assertTrue(self.opens_with(OTHER_PIN, sent))

    def test_generated_is_shown_once(self):
        sent = self.send(pin=PIN)
        action = self.new_pin(sent.thread).action_generate()
        pin = action["params"]["pin"]
        self.assertEqual(action["params"]["name"], sent.thread.name)
        self.assertTrue(self.opens_with(pin, sent))

    def test_document_goes_on_with_its_own(self):
        about = {"res_model": "res.partner", "res_id": self.contact.id}
        sent = self.send(**about)
        self.new_pin(sent.thread, pin=OTHER_PIN)
        after = self.send(**about)
        self.assertNotEqual(after.thread, sent.thread)
        self.assertEqual(after.thread.pin_rule, "none")
        within = self.send(thread=sent.thread)
        self.assertEqual(within.thread, sent.thread)

    def test_it_refills_the_budget(self):
        sent = self.send(pin=PIN)
        link = sent.link.sudo()
        self.env.cr.execute(
            """INSERT INTO secure_attempt
                      (kind, key, window_start, window_count, total, locked_until)
               VALUES ('contact', %s, NOW(), 0, 50, NULL),
                      ('link', %s, NOW(), 20, 20, NOW() + interval '1 hour')""",
            [str(self.contact.id), str(link.id)],
        )
        attempts = self.env["secure.attempt"]
        with patch.object(type(attempts), "_own_transaction", same_transaction):
            self.new_pin(sent.thread, pin=OTHER_PIN)
            self.env.cr.postcommit.run()
            self.assertFalse(attempts._staff_can_unlock(self.contact, link))
            outcome, _lock = self.env["secure.pin"]._try(link, OTHER_PIN, "192.0.2.9")
        self.assertEqual(outcome, "right")

    def test_archived_conversations_ask_for_it_as_well(self):
        thread = self.send().thread
        thread.active = False
        self.set_pin(self.contact)
        self.assertEqual(thread.pin_rule, "contact")

    def test_who_may(self):
        sent = self.send(pin=PIN)
        for user in (self.colleague, self.clerk):
            for values in ({"pin": OTHER_PIN}, {"pin": OTHER_PIN, "scope": "contact"}):
                with self.assertRaises(AccessError):
                    self.new_pin(sent.thread, user, **values)
        self.new_pin(sent.thread, self.manager, pin=OTHER_PIN)
        self.assertTrue(self.opens_with(OTHER_PIN, sent))

    def test_it_cannot_be_removed(self):
        sent = self.send(pin=PIN)
        with self.assertRaisesRegex(UserError, "not removed"):
            self.new_pin(sent.thread).action_clear()
        self.assertTrue(self.opens_with(PIN, sent))

    def test_obvious_ones(self):
        sent = self.send(pin=PIN)
        with self.assertRaisesRegex(UserError, "too easy"):
            self.new_pin(sent.thread, pin="3456")


# -- who is told --------------------------------------------------------------


@tagged("post_install", "-at_install")
class TestTold(PinCase):
    def wizard(self, user, **values):
        return self.env["secure.pin.wizard"].with_user(user).create(values)

    def test_new_pin_by_somebody_else(self):
        self.send()
        with self.leak_scan() as scan:
            self.wizard(self.colleague, partner_id=self.contact.id, pin=OTHER_PIN)
            self.env.flush_all()
            self.assertNoLeak(scan, OTHER_PIN)
        text = "New PIN for this contact, set by Colleague"
        self.assertEqual(self.to_dos(self.sender), [text])
        # Once, however often and however many conversations there are
        self.send()
        self.wizard(self.colleague, partner_id=self.contact.id, pin=PIN)
        self.assertLessEqual(len(self.to_dos(self.sender)), 2)
        self.assertEqual(set(self.to_dos(self.sender)), {text})

    def test_once_for_many_conversations(self):
        for _number in range(3):
            self.send()
        self.send(user=self.manager)
        for pin in (PIN, OTHER_PIN):
            self.wizard(self.colleague, partner_id=self.contact.id, pin=pin)
        self.assertEqual(len(self.to_dos(self.sender)), 1)
        self.assertEqual(len(self.to_dos(self.manager)), 1)

    def test_not_for_what_they_did_themselves(self):
        sent = self.send(pin=DEFAULT_PIN)
        self.wizard(self.sender, partner_id=self.contact.id, pin=PIN)
        self.wizard(self.sender, thread_id=sent.thread.id, pin=OTHER_PIN)
        sent.thread.with_user(self.sender).action_unlock()
        self.assertEqual(self.to_dos(self.sender), [])

    def test_removed(self):
        self.set_pin(self.contact, PIN)
        self.send()
        self.wizard(self.colleague, partner_id=self.contact.id).action_clear()
        told = ["The contact's PIN was removed by Colleague"]
        self.assertEqual(self.to_dos(self.sender), told)

    def test_of_one_conversation_and_unlocked(self):
        sent = self.send(pin=PIN)
        self.wizard(self.manager, thread_id=sent.thread.id, pin=OTHER_PIN)
        sent.thread.with_user(self.manager).action_unlock()
        told = {
            "New PIN for this conversation, set by Manager",
            "Unlocked after wrong PINs by Manager",
        }
        self.assertEqual(set(self.to_dos(self.sender)), told)

    def test_in_the_language_of_who_is_told(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.sender.lang = "fr_FR"
        sent = self.send()
        texts_in = []
        reminders = type(sent.thread)._reminder_texts

        def noted(thread):
            texts_in.append(thread.env.lang)
            return reminders(thread)

        with patch.object(type(sent.thread), "_reminder_texts", noted):
            self.wizard(self.colleague, partner_id=self.contact.id, pin=PIN)
        self.assertEqual(texts_in, ["fr_FR"])

    def test_many_make_one_summary(self):
        people = self.crowd(4)
        for partner in people:
            self.send(partner=partner)
        pins = {one: f"{603852 + n}" for n, one in enumerate(people)}
        with self.leak_scan() as scan:
            bulk = self.import_pins(pins, self.boss)
            self.env.flush_all()
            self.assertNoLeak(scan, *pins.values())
        self.assertEqual(self.to_dos(self.sender), [])
        self.assertEqual(self.to_dos(self.manager), ["Boss set the PINs of 4 contacts"])
        self.assertEqual(bulk.activity_ids.user_id, self.manager)
        # Nobody is told of what they did themselves, unless something failed
        self.import_pins(pins, self.manager)
        self.assertEqual(len(self.to_dos(self.manager)), 1)

    def test_failures_are_told_to_who_set_them(self):
        people = self.crowd(3)
        with patch.object(secure_pin_bulk, "CHUNK", 1):
            self.import_pins({one: PIN for one in people}, self.boss)
            self.set_pin(people[0], OTHER_PIN)
            self.run_bulk_cron()
        text = "Boss set the PINs of 2 contacts; 1 could not be set"
        self.assertEqual(self.to_dos(self.boss), [text])
        self.assertEqual(self.to_dos(self.manager), [text])


def pin_opens(env, thread, pin):
    """Whether a PIN is the one asked for, apart from locks."""
    _rule, expected = env["secure.pin"]._for(thread)
    place = ("secure.pin", expected.secure_uid, "hash_sealed")
    hashed = env["secure.keyring"]._open(Purpose.PINS, place, expected.hash_sealed)
    return pin_policy.verify(pin, hashed)
