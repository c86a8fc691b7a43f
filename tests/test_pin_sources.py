"""What contacts are asked for who have no PIN of their own: settings, field, order."""

import re
from datetime import date, timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from ..tools import pin_policy, pin_value
from .common import CANARY, PIN, SecureCase

VALUE = "Pat-4711 xK"
"""A contact's reference as staff write it."""
TYPED = "PAT4711XK"


class SourceCase(SecureCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        groups = "base.group_system,secure_messaging.group_admin"
        cls.admin = cls._user("admin7", groups)
        cls.contact.ref = VALUE

    def field(self, name):
        return self.env["ir.model.fields"]._get("res.partner", name)

    def use(self, source, name=None):
        """Set the source as an administrator does, in the settings."""
        form = Form(self.env["res.config.settings"].with_user(self.admin))
        form.secure_pin_source = source
        if name:
            form.secure_pin_field_id = self.field(name)
        form.save().execute()

    def custom(self, kind, **values):
        """A field somebody has added to contacts."""
        return self.env["ir.model.fields"].create(
            {
                "name": f"x_own_{kind}",
                "field_description": f"Own {kind}",
                "model_id": self.env["ir.model"]._get("res.partner").id,
                "ttype": kind,
                **values,
            }
        )


@tagged("post_install", "-at_install")
class TestSources(SourceCase):
    def rule(self, **values):
        return self.send(**values).thread.pin_rule

    def test_statement_21_the_nearer_wins(self):
        self.assertEqual(self.rule(), "none")
        self.set_pin(self.company)
        self.assertEqual(self.rule(), "default")
        self.use("field", "ref")
        self.assertEqual(self.rule(), "field")
        self.use("code")
        self.assertEqual(self.rule(), "code")
        self.set_pin(self.contact)
        self.assertEqual(self.rule(), "contact")
        self.assertEqual(self.rule(pin=PIN), "message")

    def test_statement_21_a_conversation_only_gets_stricter(self):
        thread = self.send().thread
        order = ["none"]
        for change in (
            lambda: self.set_pin(self.company),
            lambda: self.use("field", "ref"),
            lambda: self.use("code"),
            lambda: self.use("field", "ref"),
            lambda: self.use("default"),
        ):
            change()
            self.send(thread=thread)
            order.append(thread.pin_rule)
        self.assertEqual(order, ["none", "default", "field", "code", "code", "code"])

    def test_statement_45_source_is_asked_at_older_links(self):
        self.send()
        self.use("field", "ref")
        self.visitor.open_gate(self.token)
        self.assertNotIn(CANARY, self.visitor.text)
        self.visitor.open_gate(self.token, pin=TYPED)
        self.assertIn(CANARY, self.visitor.text)

    def test_removed_pin_of_the_contact_refuses_the_send(self):
        self.set_pin(self.contact)
        sent = self.send()
        self.env["secure.pin"]._clear(self.contact)
        with self.assertRaisesRegex(UserError, "Clara Client, which was removed"):
            self.send(thread=sent.thread)

    def test_rule_of_a_documents_conversation_holds_for_the_next_send(self):
        about = {"res_model": "res.partner", "res_id": self.contact.id}
        self.use("code")
        sent = self.send(**about)
        self.use("default")
        self.contact.phone = False
        with self.assertRaisesRegex(UserError, "Clara Client has no valid phone"):
            self.send(**about)
        self.assertEqual(sent.thread.pin_rule, "code")

    def test_what_the_form_says_will_be_asked(self):
        self.use("code")
        form = Form(self.env["secure.compose"].with_user(self.sender))
        form.partner_ids.add(self.contact)
        self.assertEqual(form.pin_summary, "One-time code")


@tagged("post_install", "-at_install")
class TestField(SourceCase):
    def refused(self, text):
        with self.assertRaisesRegex(UserError, text) as caught:
            self.send()
        return str(caught.exception)

    def test_statement_24_typed_in_any_way(self):
        self.use("field", "ref")
        for typed in (VALUE, TYPED, " pat 4711-xk ", "ＰＡＴ٤٧١١xk"):
            self.send()
            self.visitor.open_gate(self.token, pin="wrong")
            self.assertEqual(self.visitor.status, 403)
            self.assertIn("This is not right", self.visitor.text)
            self.visitor.submit(pin=typed)
            self.assertIn(CANARY, self.visitor.text)

    def test_gate_names_the_field_and_takes_letters(self):
        self.use("field", "ref")
        self.send()
        text = self.visitor.get(f"/sm/{self.token}").text
        self.assertIn("Reference", text)
        self.assertIn('inputmode="text"', text)
        for hidden in (self.contact.name, VALUE, TYPED, "4711"):
            self.assertNotIn(hidden, text)

    def test_gate_speaks_the_contacts_language(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        field = self.custom("char")
        field.with_context(lang="fr_FR").field_description = "Numéro de patient"
        self.contact.write({"x_own_char": "ab 12 cd", "lang": "fr_FR"})
        self.use("field", "x_own_char")
        self.send()
        self.visitor.get(f"/sm/{self.token}")
        self.assertIn("Numéro de patient", self.visitor.text)

    def test_date_is_eight_digits(self):
        self.custom("date")
        self.contact.x_own_date = date(1985, 2, 7)
        self.use("field", "x_own_date")
        self.send()
        text = self.visitor.get(f"/sm/{self.token}").text
        self.assertIn("DDMMYYYY", text)
        self.assertIn('inputmode="numeric"', text)
        self.visitor.submit(pin="1985-02-07")
        self.assertEqual(self.visitor.status, 403)
        self.visitor.submit(pin="07.02.1985")
        self.assertIn(CANARY, self.visitor.text)

    def test_number(self):
        self.custom("integer")
        self.contact.x_own_integer = 90210
        self.use("field", "x_own_integer")
        self.send()
        self.visitor.open_gate(self.token, pin="0090210")
        self.assertIn(CANARY, self.visitor.text)

    def test_value_of_the_company_that_sends(self):
        """Fields can hold a value for each company."""
        self.contact.with_company(self.company).barcode = "B4711X"
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.contact.with_company(other).barcode = "C0815Y"
        self.use("field", "barcode")
        self.send()
        self.visitor.open_gate(self.token, pin="C0815Y")
        self.assertEqual(self.visitor.status, 403)
        self.visitor.submit(pin="B4711X")
        self.assertIn(CANARY, self.visitor.text)

    def test_statement_21_unfit_value_blocks_the_send(self):
        self.use("field", "ref")
        for value, text in (
            (False, "“Reference” is empty for Clara Client"),
            (" - ", "“Reference” is empty for Clara Client"),
            ("a-1", "4 to 32 letters and digits"),
            ("x7" * 20, "4 to 32 letters and digits"),
            ("1111", "too easy to guess"),
            ("abcdef", "too easy to guess"),
            ("clara", "too easy to guess"),
            ("34 56", "too easy to guess"),
        ):
            self.contact.ref = value
            said = self.refused(text)
            self.assertIn("Clara Client", said)
            if value:
                self.assertNotIn(value, said)
        self.assertFalse(
            self.env["secure.thread"].search([("partner_id", "=", self.contact.id)])
        )

    def test_statement_21_each_contact_is_named(self):
        self.use("field", "ref")
        self.contact.ref = False
        rows = [
            {"partner": partner, "company": self.company, "body": "<p>text</p>"}
            for partner in (self.contact, self.other_contact)
        ]
        with self.assertRaises(UserError) as caught:
            self.env["secure.thread"].with_user(self.sender)._send(rows)
        for partner in (self.contact, self.other_contact):
            self.assertIn(partner.name, str(caught.exception))

    def test_emptied_later_nothing_opens(self):
        self.use("field", "ref")
        self.send()
        self.contact.ref = False
        for typed in ("", " ", "-", TYPED):
            self.visitor.open_gate(self.token, pin=typed)
            self.assertNotIn(CANARY, self.visitor.text)

    def test_unfit_later_nothing_opens(self):
        self.use("field", "ref")
        self.send()
        self.contact.ref = "1111"
        self.visitor.open_gate(self.token, pin="1111")
        self.assertNotIn(CANARY, self.visitor.text)

    def test_statement_27_change_of_the_value_closes_doors(self):
        self.use("field", "ref")
        for change in ("Pat-4712", False):
            self.contact.ref = VALUE
            self.send()
            self.visitor.open_gate(self.token, pin=TYPED)
            path = self.visitor.path
            self.visitor.get("/" + path)
            self.assertIn(CANARY, self.visitor.text)
            self.contact.ref = change
            self.visitor.get("/" + path)
            self.assertNotIn(CANARY, self.visitor.text)

    def test_another_field_closes_doors(self):
        self.custom("char")
        self.contact.x_own_char = VALUE
        self.use("field", "ref")
        self.send()
        self.visitor.open_gate(self.token, pin=TYPED)
        self.use("field", "x_own_char")
        self.visitor.get("/" + self.visitor.path)
        self.assertNotIn(CANARY, self.visitor.text)

    def test_two_contacts_of_one_value_have_different_marks(self):
        self.use("field", "ref")
        self.other_contact.ref = VALUE
        marks = {
            self.send(partner=partner).thread._pin_state()
            for partner in (self.contact, self.other_contact)
        }
        self.assertEqual(len(marks), 2)

    def test_statement_23_no_form_tells_what_a_value_equals(self):
        """Whoever may not read the field, and writes what they like into the contact's
        town, is told the same whether that is the value or not."""
        field = self.custom("char")
        self.use("field", field.name)
        hidden = self.env["res.partner"]._fields[field.name]
        self.patch(hidden, "groups", "base.group_system")
        self.contact[field.name] = VALUE
        composes = self.env["secure.compose"]

        def told(user, city):
            self.contact.city = city
            self.env.flush_all()
            self.env.invalidate_all()
            road = self.env["secure.road"].with_user(user)
            line = (
                self.contact.with_user(user).secure_pin_line(),
                road._form_problem(self.contact.with_user(user), None, "email"),
            )
            if not user.has_group("secure_messaging.group_user"):
                return [line]
            form = composes.with_user(user).create({"partner_ids": self.contact.ids})
            return [line, form.problem, form.pin_summary, form.pin_missing]

        for user in (self.clerk, self.sender, self.manager):
            with self.subTest(user=user.login):
                self.assertEqual(told(user, VALUE), told(user, "Other"))
        self.admin.group_ids |= self.env.ref("secure_messaging.group_user")
        self.assertNotEqual(told(self.admin, VALUE), told(self.admin, "Other"))
        self.contact.city = VALUE
        with self.assertRaisesRegex(UserError, "too easy to guess"):
            self.send()
        self.contact[field.name] = False
        self.assertIn("1 contact has none", told(self.clerk, "x")[0][0]["text"])

    def test_statement_23_value_stands_nowhere_but_in_its_field(self):
        self.use("field", "ref")
        with self.leak_scan() as scan:
            self.send()
            scan.add_left("mail", self.left_text())
            for typed in ("wrong", TYPED):
                self.visitor.open_gate(self.token, pin=typed)
                if typed != TYPED:
                    scan.add_left("page", self.visitor.text)
            self.contact.invalidate_recordset()
            self.contact.ref = "gone 9876"
            with self.assertRaises(UserError) as caught:
                self.contact.ref = "abcdef"
                self.send()
            scan.add_left("error", str(caught.exception))
            self.contact.ref = "gone 9876"
            folded = pin_value.of_field("char", VALUE)
            self.assertEqual(scan.find([VALUE, TYPED, folded, "abcdef"]), [])

    def test_statement_16_wrong_values_are_counted_like_pins(self):
        self.use("field", "ref")
        self.send()
        for _number in range(pin_policy.WRONG_PINS_PER_ADDRESS):
            self.visitor.open_gate(self.token, pin="wrong")
        self.visitor.open_gate(self.token, pin=TYPED)
        self.assertEqual(self.visitor.status, 429)

    def test_typed_text_is_carried_through_the_gate(self):
        self.use("field", "ref")
        self.send()
        self.visitor.open_gate(self.token, pin=TYPED)
        path = self.visitor.path
        reply = self.visitor.form(path)
        later = fields.Datetime.now() + timedelta(hours=1)
        with freeze_time(later, tick=True):
            self.visitor.submit(reply, body="half typed")
            self.visitor.submit(pin="wrong")
            self.visitor.submit(pin=TYPED)
            self.assertIn("half typed", self.visitor.text)

    def test_queries_do_not_grow(self):
        self.use("field", "ref")
        partners = self.env["res.partner"].create(
            [
                {
                    "name": f"No. {n}",
                    "email": f"n{n}@client.example",
                    "ref": f"ab{n}xy9",
                }
                for n in range(60)
            ]
        )
        counts = [self.queries(partners[:20]), self.queries(partners[20:])]
        self.assertEqual(*counts)

    def queries(self, partners):
        drafts = self.env["secure.draft"].with_user(self.sender)
        rows = [
            drafts._complete(
                {"partner": one, "company": self.company, "body": "<p>x</p>"}
            )
            for one in partners
        ]
        self.env.flush_all()
        self.env.invalidate_all()
        drafts._note_pin_rules([rows[0]])
        partners.invalidate_recordset()
        before = self.env.cr.sql_log_count
        drafts._note_pin_rules(rows)
        self.assertEqual({row["pin_rule"] for row in rows}, {"field"})
        return self.env.cr.sql_log_count - before


@tagged("post_install", "-at_install")
class TestWhichField(SourceCase):
    def assertRefused(self, name):
        with self.assertRaisesRegex(ValidationError, "cannot serve as PIN"):
            self.company.write(
                {
                    "secure_pin_source": "field",
                    "secure_pin_field_id": self.field(name).id,
                }
            )

    def test_statement_22_known_and_changeable_fields(self):
        for name in (
            *("id", "name", "email", "phone", "zip", "vat", "street", "company_name"),
            *("display_name", "complete_name", "email_normalized", "phone_sanitized"),
            *("commercial_company_name", "contact_address_complete"),
            *("color", "function", "message_bounce", "website"),
        ):
            if name in self.env["res.partner"]._fields:
                self.assertRefused(name)

    def test_the_settings_offer_what_they_take(self):
        settings = self.env["res.config.settings"].with_user(self.admin)
        described = settings.fields_get(["secure_pin_field_id"])
        domain = described["secure_pin_field_id"]["domain"]
        offered = self.env["ir.model.fields"].search(domain)
        self.assertIn(self.field("ref"), offered)
        for row in offered:
            self.company.write(
                {"secure_pin_source": "field", "secure_pin_field_id": row.id}
            )
        partner = [("model", "=", "res.partner")]
        for row in self.env["ir.model.fields"].search(partner) - offered:
            self.assertRefused(row.name)

    def test_fields_of_other_kinds(self):
        for name in ("comment", "parent_id", "active", "create_date", "parent_name"):
            self.assertRefused(name)

    def test_fields_that_mirror_those(self):
        self.custom("char", name="x_mirror", related="parent_id.email", store=True)
        self.assertRefused("x_mirror")
        self.custom(
            "char",
            name="x_computed",
            store=True,
            depends="x_mirror",
            compute="for one in self: one['x_computed'] = one.x_mirror",
        )
        self.assertRefused("x_computed")

    def test_own_and_ordinary_fields_serve(self):
        self.custom("char")
        for name in ("ref", "barcode", "x_own_char"):
            self.use("field", name)
            self.assertEqual(self.company.secure_pin_field_id.name, name)

    def test_a_field_must_be_chosen(self):
        settings = self.env["res.config.settings"].with_user(self.admin)
        with self.assertRaisesRegex(UserError, "choose the field"):
            settings.create({"secure_pin_source": "field"}).execute()

    def test_without_a_field_nothing_is_sent(self):
        self.company.secure_pin_source = "field"
        with self.assertRaisesRegex(UserError, "field that serves as PIN is missing"):
            self.send()

    def test_field_that_is_gone_stops_everything(self):
        field = self.custom("char")
        self.contact.x_own_char = VALUE
        self.use("field", "x_own_char")
        self.send()
        with mute_logger("odoo.models", "odoo.registry"):
            field.unlink()
        with self.assertRaisesRegex(UserError, "field that serves as PIN is missing"):
            self.send()
        for typed in ("", TYPED):
            self.visitor.open_gate(self.token, pin=typed)
            self.assertNotIn(CANARY, self.visitor.text)

    def test_field_that_is_gone_closes_doors(self):
        self.use("field", "ref")
        self.send()
        self.visitor.open_gate(self.token, pin=TYPED)
        self.assertIn(CANARY, self.visitor.text)
        self.company.secure_pin_field_id = False
        self.visitor.get(f"/{self.visitor.path}")
        self.assertEqual(self.visitor.status, 200, "the gate")
        self.assertNotIn(CANARY, self.visitor.text)

    def test_fields_computed_from_ordinary_ones_serve(self):
        """Also when they come to one twice, or to another model's by a known name."""
        for number, path in enumerate(
            ("parent_id.ref,child_ids.ref", "industry_id.name")
        ):
            name = f"x_computed{number}"
            self.custom(
                "char",
                name=name,
                store=True,
                depends=path,
                compute=f"for one in self: one['{name}'] = one.ref",
            )
            self.use("field", name)
            self.assertEqual(self.company.secure_pin_field_id.name, name)

    def test_fields_of_others_models(self):
        row = self.env["ir.model.fields"]._get("res.users", "login")
        with self.assertRaisesRegex(ValidationError, "cannot serve as PIN"):
            self.company.secure_pin_field_id = row
            self.company.secure_pin_source = "field"

    def test_what_users_change_of_themselves(self):
        """A module may let them, of any field."""
        users = type(self.env["res.users"])
        names = [*self.env["res.users"].SELF_WRITEABLE_FIELDS, "ref", "x_nowhere"]
        with patch.object(users, "SELF_WRITEABLE_FIELDS", property(lambda _: names)):
            self.assertRefused("ref")
        self.use("field", "ref")


@tagged("post_install", "-at_install")
class TestValue(SecureCase):
    """The pure functions."""

    def test_plain_form(self):
        for kind, value, plain in (
            ("char", "Ab-12 Ç/ß", "ab12çss"),
            ("char", "Ａ①٣", "a13"),
            ("char", "E\u0301te\u0301 1", "été1"),
            ("integer", 1200, "1200"),
            ("date", date(985, 1, 2), "02010985"),
            ("date", False, ""),
            ("integer", 0, ""),
        ):
            self.assertEqual(pin_value.of_field(kind, value), plain)

    def test_typed_is_cut_before_anything_is_computed(self):
        self.assertEqual(len(pin_value.of_typed("char", "a" * 10_000)), 64)

    def test_length(self):
        low, high = pin_policy.VALUE_MIN_LENGTH, pin_policy.VALUE_MAX_LENGTH
        letters = "qw7xkf0zrtplm3vbhg9dcjnsy2ue5a1o8i4"
        for length, refused in ((low - 1, 1), (low, 0), (high, 0), (high + 1, 1)):
            with self.subTest(length=length):
                if refused:
                    with self.assertRaises(pin_policy.PinRefused) as caught:
                        pin_value.check(letters[:length], ())
                    self.assertEqual(caught.exception.reason, "length")
                else:
                    pin_value.check(letters[:length], ())

    def test_what_is_known_of_a_contact(self):
        for value, known, obvious in (
            ("8317", "+32 470 12 83 17", True),
            ("8371", "+32 470 12 83 17", False),
            ("k8317", "Jo K-8317", True),
            ("k8317", "k8317@client.example", True),
            ("k8317", "K83179", False),
        ):
            with self.subTest(value=value, known=known):
                reason = ""
                try:
                    pin_value.check(value, ("", known))
                except pin_policy.PinRefused as refused:
                    reason = refused.reason
                self.assertEqual(reason, "obvious" if obvious else "")

    def test_obvious(self):
        for text in ("aaaa", "abcd", "4321", "abab", "0000", "7890"):
            self.assertTrue(pin_policy.is_obvious(text), text)
        for text in ("ab1c", "1385", "1981"):
            self.assertFalse(pin_policy.is_obvious(text), text)


@tagged("post_install", "-at_install")
class TestGateInput(SecureCase):
    """How a PIN is typed."""

    ZEROS = "004271"

    def gate(self):
        self.send(pin=self.ZEROS)
        self.visitor.get(f"/sm/{self.token}")
        shown = re.findall(r"<input(?![^>]*hidden)[^>]*>", self.visitor.text)
        return [tag for tag in shown if 'id="show"' not in tag]

    def test_statement_24_one_labelled_field(self):
        [field] = self.gate()
        for part in ('id="pin"', 'inputmode="numeric"', 'autocomplete="off"'):
            self.assertIn(part, field)
        self.assertIn('<label for="pin">', self.visitor.text)
        self.assertIn('id="show"', self.visitor.text)

    def test_statement_24_password_managers_may_keep_a_contacts_pin(self):
        self.set_pin(self.contact)
        self.send()
        self.visitor.get(f"/sm/{self.token}")
        self.assertIn('autocomplete="current-password"', self.visitor.text)

    def test_statement_24_leading_zeros_count(self):
        for typed in ("4271", "04271", "0004271", "0o4271", "004271x"):
            self.gate()
            self.visitor.submit(pin=typed)
            self.assertNotIn(CANARY, self.visitor.text, typed)
            self.env["secure.attempt"]._forgive(self.contact)
            self.env.cr.execute("DELETE FROM secure_attempt")
        self.visitor.submit(pin=self.ZEROS)
        self.assertIn(CANARY, self.visitor.text)

    def test_statement_24_digits_of_any_script_and_as_read_aloud(self):
        for typed in (
            "٠٠٤٢٧١",
            "००४२७१",
            "００４２７１",
            "00 42 71",
            "004-271",
            "004.271",
        ):
            self.gate()
            self.visitor.submit(pin=typed)
            self.assertIn(CANARY, self.visitor.text, typed)

    def test_endless_input_is_cut_and_wrong(self):
        self.gate()
        self.visitor.submit(pin=" " * 100_000 + self.ZEROS)
        self.assertEqual(self.visitor.status, 403)
