"""The settings page: each field does what it says, for who may use it."""

import base64
import importlib
import os
from contextlib import contextmanager
from unittest.mock import patch

from odoo import SUPERUSER_ID, api
from odoo.exceptions import AccessError, UserError
from odoo.service.model import get_public_method
from odoo.tests import Form, tagged
from odoo.tools import config, mute_logger

from ..tools import keyring
from .common import CANARY, PIN, SecureCase


@tagged("post_install", "-at_install")
class TestSettings(SecureCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        groups = "base.group_system,secure_messaging.group_admin"
        cls.admin = cls._user("admin7", groups)

    def test_a_new_company_is_set_up_in_one_go(self):
        """By the form, whose fields come in the order of the view."""
        company = self.env["res.company"].create({"name": "New Practice"})
        self.admin.company_ids |= company
        settings = self.env["res.config.settings"].with_user(self.admin)
        form = Form(settings.with_company(company))
        form.secure_messaging_enabled = True
        form.secure_responsible_id = self.admin
        form.secure_consent_for = "everybody"
        form.secure_consent_text = "We keep what you write."
        form.secure_pin_source = "field"
        form.secure_pin_field_id = self.env["ir.model.fields"]._get(
            "res.partner", "ref"
        )
        form.save().execute()
        self.assertTrue(company.secure_messaging_enabled)
        self.assertEqual(company.secure_responsible_id, self.admin)
        self.assertEqual(company.secure_consent_for, "everybody")
        self.assertEqual(company.secure_consent_text, "We keep what you write.")
        self.assertEqual(company.secure_pin_field_id.name, "ref")
        with self.assertRaisesRegex(UserError, "who is responsible"):
            settings.with_company(company).create({"secure_responsible_id": False})

    def settings(self, **values):
        return self.env["res.config.settings"].with_user(self.admin).create(values)

    def save(self, **values):
        self.settings(**values).execute()

    def compose(self, **values):
        """Send as somebody who may send and nothing else."""
        form = (
            self.env["secure.compose"]
            .with_user(self.sender)
            .create({"partner_ids": self.contact.ids, "body": CANARY, **values})
        )
        with self.gateways():
            form.action_send()
            self.leave()
            self.token = self.left_token()
        threads = self.env["secure.thread"].with_user(self.sender)
        return threads.search([("partner_id", "=", self.contact.id)], limit=1)

    # -- the switch ------------------------------------------------------------

    def test_switch(self):
        self.save(secure_messaging_enabled=False)
        self.assertFalse(self.company.secure_messaging_enabled)
        with self.assertRaisesRegex(UserError, "switched off"):
            self.compose()
        self.save(secure_messaging_enabled=True)
        self.assertTrue(self.compose())

    def test_not_switched_on_without_the_key(self):
        self.save(secure_messaging_enabled=False)
        wrong = base64.b64encode(b"o" * 32).decode()
        settings = self.settings(secure_messaging_enabled=True)
        with (
            patch.dict(os.environ, {keyring.ENVIRONMENT_VARIABLE: wrong}),
            mute_logger("odoo.addons.secure_messaging.models.secure_keyring"),
        ):
            self.assertIn("is missing", settings.secure_key_problem)
            with self.assertRaisesRegex(UserError, "is missing"):
                settings.execute()
            self.save(secure_messaging_enabled=False)

    # -- the key ---------------------------------------------------------------

    def test_where_the_key_lives(self):
        path = keyring.key_file(config["data_dir"])
        with open(path) as stream:
            key = base64.b64decode(stream.read())
        fingerprint = keyring.Keyring([key]).primary
        settings = self.settings()
        self.assertEqual(settings.secure_key_source, "file")
        self.assertEqual(settings.secure_key_path, path)
        self.assertEqual(settings.secure_key_fingerprint, fingerprint)
        self.assertFalse(settings.secure_key_problem)
        text = base64.b64encode(key).decode()
        with patch.dict(os.environ, {keyring.ENVIRONMENT_VARIABLE: text}):
            settings = self.settings()
            self.assertEqual(settings.secure_key_source, "environment")
            self.assertFalse(settings.secure_key_path)
            self.assertEqual(settings.secure_key_fingerprint, fingerprint)

    def test_backup_done_is_kept_until_there_is_a_new_key(self):
        self.assertFalse(self.settings().secure_key_backup_done)
        self.save(secure_key_backup_done=True)
        self.assertTrue(self.settings().secure_key_backup_done)
        self.save(secure_key_backup_done=False)
        self.assertFalse(self.settings().secure_key_backup_done)
        self.save(secure_key_backup_done=True)
        with self.new_key():
            self.assertFalse(self.settings().secure_key_backup_done)
            self.save(secure_key_backup_done=True)
            self.assertTrue(self.settings().secure_key_backup_done)
        self.assertFalse(self.settings().secure_key_backup_done)

    @contextmanager
    def new_key(self):
        with open(keyring.key_file(config["data_dir"])) as stream:
            old = stream.read().strip()
        new = base64.b64encode(b"n" * 32).decode()
        keys = {keyring.ENVIRONMENT_VARIABLE: f"{new},{old}"}
        with patch.dict(os.environ, keys):
            yield keyring.Keyring([b"n" * 32, base64.b64decode(old)])

    def test_a_key_file_others_can_read_is_told(self):
        path = keyring.key_file(config["data_dir"])
        self.assertFalse(self.settings().secure_key_exposed)
        self.addCleanup(os.chmod, path, 0o600)
        os.chmod(path, 0o644)
        self.assertEqual(self.settings().secure_key_exposed, path)

    def test_how_far_a_change_of_keys_is(self):
        self.compose()
        self.assertFalse(self.settings().secure_key_progress)
        self.assertFalse(self.settings().secure_key_removable)
        with self.new_key() as ring:
            self.assertRegex(self.settings().secure_key_progress, "^0 of [0-9]+ sealed")
            self.env.flush_all()
            with self.registry.cursor() as cr:
                api.Environment(cr, SUPERUSER_ID, {})["secure.keyring"]._rotate()
            self.env.invalidate_all()
            with patch.object(
                self.registry["secure.keyring"], "_rotation_is_due", lambda _self: True
            ):
                self.assertIn("waiting", self.settings().secure_key_progress)
            settings = self.settings()
            self.assertFalse(settings.secure_key_progress)
            self.assertEqual(settings.secure_key_removable, ring.fingerprints[1])
            self.assertEqual(settings.secure_key_removable_links, 1)

    def test_statement_41_only_administrators_start_it(self):
        admin = self._user("keyadmin", "base.group_user,secure_messaging.group_admin")
        system = self._user("keysystem", "base.group_system")
        settings = self.settings()
        for user in (self.sender, self.manager, self.clerk, self.portal):
            with self.assertRaises(AccessError):
                settings.with_user(user).action_secure_reseal()
        triggers = self.env["ir.cron.trigger"].search_count([])
        for user in (admin, system):
            settings.with_user(user).sudo(False).action_secure_reseal()
        self.assertEqual(self.env["ir.cron.trigger"].search_count([]), triggers + 2)
        job = self.env.ref("secure_messaging.ir_cron_rotate")
        with self.assertRaises(AccessError):
            job.with_user(admin).method_direct_trigger()

    def test_statement_41_nothing_of_the_keyring_is_called_from_outside(self):
        """Not even by system administrators."""
        keyrings = type(self.env["secure.keyring"])
        own = set(dir(keyrings)) - set(dir(type(self.env["base"])))
        for name in own:
            self.assertTrue(name.startswith("_"), name)
            with self.assertRaises(AccessError):
                get_public_method(self.env["secure.keyring"], name)

    # -- links and PINs --------------------------------------------------------

    def test_expiry_of_what_is_sent_next(self):
        self.save(secure_expiry_hours="240")
        thread = self.compose()
        self.assertEqual(thread.link_ids.duration, 240)
        self.save(secure_expiry_hours="4380")
        with self.gateways():
            thread.message_post(
                body="x", message_type="comment", subtype_xmlid="mail.mt_comment"
            )
        self.assertEqual(thread.link_ids.sorted("id").mapped("duration"), [240, 4380])

    def test_pin_required(self):
        self.save(secure_pin_required=True)
        with self.assertRaisesRegex(UserError, "PIN is required"):
            self.compose()
        self.save(secure_pin_required=False)
        self.assertEqual(self.compose().pin_rule, "none")

    def test_default_pin_by_the_button(self):
        """Of the company that the settings are about, by an administrator of the
        module who need not be one of Odoo."""
        other = self.env["res.company"].create({"name": "Second Office"})
        keeper = self._user("keeper", "secure_messaging.group_admin")
        settings = self.settings()
        self.assertFalse(settings.secure_default_pin_is_set)
        action = settings.action_secure_default_pin()
        self.assertEqual(action["res_model"], "secure.pin.wizard")
        self.assertEqual(action["context"]["default_company_id"], self.company.id)
        wizards = self.env["secure.pin.wizard"].with_context(**action["context"])
        with self.assertRaises(AccessError):
            wizards.with_user(self.manager).create({"pin": PIN})
        for button in ("action_generate", "action_clear"):
            with self.assertRaises(AccessError):
                getattr(wizards.with_user(self.manager).create({}), button)()
        self.assertFalse(self.settings().secure_default_pin_is_set)
        with Form(wizards.with_user(keeper)) as form:
            self.assertEqual(form.company_id, self.company)
            form.pin = PIN
        self.assertTrue(self.settings().secure_default_pin_is_set)
        self.assertFalse(self.settings(company_id=other.id).secure_default_pin_is_set)
        self.assertEqual(self.compose().pin_rule, "default")
        self.visitor.open_gate(self.token, pin=PIN)
        self.assertIn(CANARY, self.visitor.text)
        wizards.with_user(keeper).create({}).action_clear()
        self.assertFalse(self.settings().secure_default_pin_is_set)

    def test_default_responsible(self):
        """Answers for conversations whose responsible has left."""
        self.save(secure_responsible_id=self.colleague.id)
        thread = self.compose()
        self.sender.active = False
        self.visitor.open_gate(self.token)
        self.visitor.submit(self.visitor.form(self.visitor.path), body="hello?")
        self.assertEqual(thread.sudo().responsible_id, self.colleague)

    # -- texts -----------------------------------------------------------------

    def test_texts(self):
        self.company.name = "Practice One"
        self.save(
            secure_email_subject="Subject {{ user.name_and_company }}",
            secure_email_body="Body {{ contact.name }} {{ secure_link }}",
            secure_sms_body="Text {{ user.name }} {{ company.name }} {{secure_link}}",
        )
        self.compose()
        [mail] = self._mails
        self.assertEqual(mail["subject"], "Subject Sender, Practice One")
        self.assertIn("Body Clara Client <a href=", mail["body"])
        self.assertIn(f"/sm/{self.token}", mail["body"])
        self.compose(channel="sms")
        [sms] = self._sms
        text, _space, link = sms["body"].rpartition(" ")
        self.assertEqual(text, "Text Sender Practice One")
        self.assertTrue(link.endswith(f"/sm/{self.token}"))

    def test_texts_are_needed(self):
        for name in ("secure_email_subject", "secure_email_body", "secure_sms_body"):
            with self.subTest(name=name), self.assertRaises(AssertionError):
                with Form(
                    self.env["res.config.settings"].with_user(self.admin)
                ) as form:
                    form[name] = False

    def test_parts_of_the_sms(self):
        """As the form shows them while the text is typed."""
        link = "{{ secure_link }}"
        with Form(self.env["res.config.settings"].with_user(self.admin)) as form:
            self.assertEqual(form.secure_sms_parts, 1)
            for text, parts in (
                ("x" * 90 + link, 1),
                ("x" * 91 + link, 2),
                ("x" * 236 + link, 2),
                ("x" * 237 + link, 3),
                ("€" * 45 + link, 1),
                ("€" * 46 + link, 2),
                (link, 1),
                ("ж" + link, 2),
                ("ж" * 65 + link, 3),
                ("x" * 65 + "{{ company.name }}" + link, 1),
                ("x" * 66 + "{{ company.name }}" + link, 2),
            ):
                form.secure_sms_body = text
                self.assertEqual(form.secure_sms_parts, parts, text)

    # -- who -------------------------------------------------------------------

    def test_statement_43_nobody_else_by_a_call(self):
        """`set_values` can be called by itself."""
        self.save(secure_key_backup_done=True)
        for user in (self.clerk, self.manager, self.portal):
            with self.assertRaises(AccessError):
                self.env["res.config.settings"].with_user(user).set_values()
        self.assertTrue(self.settings().secure_key_backup_done)

    def test_managers_may_not(self):
        with self.assertRaises(AccessError):
            self.settings().with_user(self.manager).execute()
        for user in (self.sender, self.manager):
            with self.assertRaises(AccessError):
                self.company.with_user(user).secure_pin_required = False


SETTINGS = {
    "secure_messaging_enabled": "test_settings.TestSettings.test_switch",
    "secure_send_default": "test_switch.TestMarkedScreens.test_company_default",
    "secure_email_subject": "test_settings.TestSettings.test_texts",
    "secure_email_body": "test_settings.TestSettings.test_texts",
    "secure_sms_body": "test_settings.TestSettings.test_texts",
    "secure_expiry_hours": (
        "test_settings.TestSettings.test_expiry_of_what_is_sent_next"
    ),
    "secure_responsible_id": "test_settings.TestSettings.test_default_responsible",
    "secure_pin_required": "test_settings.TestSettings.test_pin_required",
    "secure_pin_source": (
        "test_pin_sources.TestSources.test_statement_45_source_is_asked_at_older_links"
    ),
    "secure_pin_field_id": (
        "test_pin_sources.TestField.test_statement_21_unfit_value_blocks_the_send"
    ),
    "secure_consent_for": (
        "test_consent.TestConsentText.test_statement_45_whom_the_company_asks"
    ),
    "secure_consent_text": (
        "test_consent.TestConsentText.test_statement_45_whom_the_company_asks"
    ),
    "secure_key_backup_done": (
        "test_settings.TestSettings.test_backup_done_is_kept_until_there_is_a_new_key"
    ),
}
"""By setting, the test that fails when it is ignored."""


@tagged("post_install", "-at_install")
class TestEverySetting(SecureCase):
    def test_statement_45_each_has_its_test(self):
        """Each setting has a row above, and the test that it names exists. That this
        test fails when the setting is ignored is for whoever writes the row to see."""
        fields_of = self.env["res.config.settings"]._fields
        found = {
            name
            for name, field in fields_of.items()
            if field._module == "secure_messaging"
            and not (field.readonly or (field.compute and not field.inverse))
        }
        self.assertEqual(found, set(SETTINGS))
        for test in SETTINGS.values():
            module, case, name = test.split(".")
            tests = importlib.import_module(f"{__package__}.{module}")
            self.assertTrue(callable(getattr(getattr(tests, case), name)))
