import base64
import fcntl
import os
import tempfile
from contextlib import contextmanager
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import config, mute_logger

from ..models.secure_keyring import FINGERPRINTS_PARAMETER, KeysUnavailable
from ..tools import keyring, private_file
from .common import CANARY, PIN, SecureCase

KEYRING_LOG = "odoo.addons.secure_messaging.models.secure_keyring"


def as_text(*keys):
    return ",".join(base64.b64encode(key).decode() for key in keys)


class KeysCase(SecureCase):
    def setUp(self):
        super().setUp()
        self.file = keyring.key_file(config["data_dir"])
        with open(self.file) as stream:
            self.key = base64.b64decode(stream.read())
        self.ring = self.env["secure.keyring"]

    def keys(self, *keys):
        return patch.dict(os.environ, {keyring.ENVIRONMENT_VARIABLE: as_text(*keys)})


@tagged("post_install", "-at_install")
class TestKeys(KeysCase):
    def test_key_file_is_beside_the_filestores_and_private(self):
        self.assertEqual(os.path.dirname(self.file), config["data_dir"])
        self.assertNotIn("filestore", os.path.relpath(self.file, config["data_dir"]))
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
        self.assertEqual(len(self.key), keyring.KEY_BYTES)

    def test_created_once(self):
        keyring.create_key_file(config["data_dir"])
        with open(self.file) as stream:
            self.assertEqual(base64.b64decode(stream.read()), self.key)
        leftovers = [name for name in os.listdir(config["data_dir"]) if ".key." in name]
        self.assertFalse(leftovers)

    def test_the_database_names_its_key(self):
        named = self.env["ir.config_parameter"].get_param(FINGERPRINTS_PARAMETER)
        self.assertIn(keyring.Keyring([self.key]).primary, named)

    def test_missing_key_stops_everything(self):
        """Nothing is sent, nothing is shown, no new key is made, and all is told."""
        sent = self.send(pin=PIN)
        missing = keyring.Keyring([self.key]).primary
        count = self.env["mail.message"].search_count([])
        with self.keys(b"o" * 32), self.assertLogs(KEYRING_LOG, "ERROR") as logs:
            for action in (
                self.send,
                lambda: self.env["secure.link"]._find(self.token),
                lambda: self.set_pin(self.contact),
                lambda: sent.thread.with_user(self.sender).message_post(body=CANARY),
            ):
                with self.assertRaisesRegex(KeysUnavailable, missing):
                    action()
            self.assertFalse(sent.thread.with_user(self.sender).subject)
            self.assertIn(missing, sent.thread.with_user(self.sender).key_problem)
        self.assertIn(missing, logs.output[0])
        self.assertEqual(self.env["mail.message"].search_count([]), count)

    def test_lost_key_file_stops_everything_and_is_not_replaced(self):
        self.send()
        os.rename(self.file, self.file + ".away")
        self.addCleanup(
            lambda: os.path.exists(self.file + ".away")
            and os.rename(self.file + ".away", self.file)
        )
        with mute_logger(KEYRING_LOG):
            with self.assertRaisesRegex(KeysUnavailable, "key file"):
                self.send()
            self.env["ir.config_parameter"].set_param(FINGERPRINTS_PARAMETER, False)
            with self.assertRaises(KeysUnavailable):
                self.send()
            status = self.ring._status()
        self.assertFalse(os.path.exists(self.file))
        self.assertIn(self.file, status["problem"])

    def test_queues_go_on_without_the_key(self):
        """What is not ours leaves; what is ours is shown as failed, to be retried."""
        with patch.object(
            type(self.env["mail.mail"]), "send_after_commit", lambda _m: None
        ):
            threads = self.env["secure.thread"].with_user(self.sender)
            drafts = [
                {
                    "partner": self.contact,
                    "company": self.company,
                    "body": "x",
                    "channel": channel,
                }
                for channel in ("email", "sms")
            ]
            by_mail, by_sms = threads._send(drafts)
        mail = by_mail.message.sudo().mail_ids
        plain = self.env["mail.mail"].create(
            {"subject": "plain", "body_html": "x", "email_to": "a@b.example"}
        )
        sms = self.env["sms.sms"].search([("mail_message_id", "=", by_sms.message.id)])
        plain_sms = self.env["sms.sms"].create({"number": "+32470000000", "body": "x"})
        with self.keys(b"o" * 32), mute_logger(KEYRING_LOG), self.gateways():
            (mail | plain).send()
            (sms | plain_sms).send()
            self.assertEqual([left["subject"] for left in self._mails], ["plain"])
            self.assertEqual([left["number"] for left in self._sms], ["+32470000000"])
        self.assertEqual((mail.state, plain.state), ("exception", "sent"))
        self.assertIn("missing", mail.failure_reason)
        self.assertEqual(sms.state, "error")
        statuses = (by_mail.message | by_sms.message).sudo().notification_ids
        self.assertEqual(set(statuses.mapped("notification_status")), {"exception"})
        with self.gateways():
            mail.mark_outgoing()
            mail.send()
            sms.resend_failed()
            self.assertEqual(len(self._mails) + len(self._sms), 2)

    def test_page_says_unavailable(self):
        self.send()
        with self.keys(b"o" * 32), mute_logger(KEYRING_LOG):
            self.visitor.get(f"/sm/{self.token}")
        self.assertEqual(self.visitor.status, 503)

    def test_statement_11_no_receipt_of_what_could_not_be_shown(self):
        """Nor does the log say that a file was taken: a receipt is evidence."""
        sent = self.send(pin=PIN)
        self.visitor.open_gate(self.token, pin=PIN)
        page = "/" + self.visitor.path
        later = self.send(thread=sent.thread, attachments=[("a.txt", b"inside")])
        message = later.message.sudo()
        roads = (page, f"{page}/news", f"{page}/f/{message.attachment_ids.secure_uid}")
        with self.keys(b"o" * 32), mute_logger(KEYRING_LOG):
            for road in roads:
                self.visitor.get(road)
                self.assertEqual(self.visitor.status, 503, road)
        self.assertFalse(message.secure_seen_date)
        self.assertFalse(self.env["secure.access.log.waiting"].search([]))
        log = self.env["secure.access.log"].search([("thread_id", "=", sent.thread.id)])
        self.assertNotIn("file_taken", log.mapped("kind"))
        reads = log.filtered(lambda row: row.kind == "read")
        self.assertEqual(reads.mapped("message_id"), [sent.message.id])
        for road in roads:
            self.visitor.get(road)
            self.assertEqual(self.visitor.status, 200, road)
        self.assertTrue(message.secure_seen_date)

    def test_second_key_put_first(self):
        old = self.send(pin=PIN)
        old_token = self.token
        with self.keys(b"n" * 32, self.key):
            new = self.send(pin=PIN)
            self.assertEqual(
                self.ring._ring().primary, keyring.Keyring([b"n" * 32]).primary
            )
            for message, token in ((old.message, old_token), (new.message, self.token)):
                self.assertIn(CANARY, message._secure_clear()[message.id]["body"])
                self.assertTrue(self.env["secure.link"]._find(token))
            self.visitor.open_gate(old_token, pin=PIN)
            self.assertIn(CANARY, self.visitor.text)
        with mute_logger(KEYRING_LOG), self.assertRaises(KeysUnavailable):
            self.send()

    def test_malformed_keys_are_told(self):
        for text in ("not base64!", as_text(b"short"), ","):
            with (
                patch.dict(os.environ, {keyring.ENVIRONMENT_VARIABLE: text}),
                mute_logger(KEYRING_LOG),
                self.assertRaises(UserError),
            ):
                self.send()

    def test_odoo_conf_is_read(self):
        with patch.dict(config.options, {keyring.CONFIG_OPTION: as_text(self.key)}):
            self.assertEqual(self.ring._status()["source"], "config")
            self.assertTrue(self.send().link)


@tagged("post_install", "-at_install")
class TestKeysAtStart(KeysCase):
    """As a server starts, Odoo calls `_register_hook` of each model."""

    def start(self):
        self.env.cr.cache.clear()
        self.ring._register_hook()

    def test_a_missing_key_is_told_as_the_server_starts(self):
        missing = keyring.Keyring([self.key]).primary
        with self.keys(b"o" * 32), self.assertLogs(KEYRING_LOG, "ERROR") as logs:
            self.start()
        self.assertIn(missing, logs.output[0])

    def test_a_lost_or_unreadable_key_file_is_told_and_not_replaced(self):
        for damage in (self.lose, self.garble):
            with damage(), self.assertLogs(KEYRING_LOG, "ERROR") as logs:
                self.start()
            self.assertIn("locked", logs.output[0])

    @contextmanager
    def lose(self):
        os.rename(self.file, self.file + ".away")
        try:
            yield
            self.assertFalse(os.path.exists(self.file), "no new key was made")
        finally:
            os.replace(self.file + ".away", self.file)

    @contextmanager
    def garble(self):
        with self.lose():
            with open(self.file, "wb") as stream:
                stream.write(b"\xff\xfe no key")
            yield
            os.unlink(self.file)

    def test_all_well_is_silent(self):
        with self.assertNoLogs(KEYRING_LOG, "WARNING"):
            self.start()

    def test_a_new_database_makes_no_key_by_starting(self):
        with (
            self.lose(),
            patch.object(self.registry["secure.keyring"], "_needed", lambda _s: []),
            patch.object(
                self.registry["secure.keyring"], "_has_sealed_content", lambda _s: False
            ),
            self.assertNoLogs(KEYRING_LOG, "WARNING"),
        ):
            self.start()

    def test_a_key_file_others_can_read_is_told(self):
        self.addCleanup(os.chmod, self.file, 0o600)
        for mode in (0o640, 0o604, 0o620):
            os.chmod(self.file, mode)
            with self.assertLogs(KEYRING_LOG, "WARNING") as logs:
                self.start()
            self.assertIn(self.file, logs.output[0])
            self.assertTrue(self.send().link, "it is told, and works")

    def test_an_odoo_conf_all_can_read_is_told(self):
        with tempfile.NamedTemporaryFile() as conf, self.conf(conf.name):
            for mode, told in ((0o640, False), (0o644, True)):
                os.chmod(conf.name, mode)
                self.assertEqual(bool(self.ring._exposed_to()), told)

    def conf(self, path):
        options = {keyring.CONFIG_OPTION: as_text(self.key), "config": path}
        return patch.dict(config.options, options)


@tagged("post_install", "-at_install")
class TestNewKey(KeysCase):
    def test_it_is_put_before_the_others_and_seen_at_once(self):
        with open(self.file) as stream:
            before = stream.read()
        self.addCleanup(self.restore, before)
        sent = self.send(pin=PIN)
        made, fingerprint = self.ring._new_key()
        self.assertTrue(made)
        ring = self.ring._ring()
        old = keyring.Keyring([self.key]).primary
        self.assertEqual(ring.fingerprints, (fingerprint, old))
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
        self.assertIn(CANARY, sent.message._secure_clear()[sent.message.id]["body"])
        leftovers = [name for name in os.listdir(config["data_dir"]) if ".key." in name]
        self.assertFalse(leftovers)

    def test_of_two_at_once_none_is_lost(self):
        """The second reads the file only when the first has written it."""
        locked, others = private_file.locked, []

        @contextmanager
        def somebody_first(folder):
            with patch.object(private_file, "locked", locked):
                others.append(keyring.add_key(folder))
            with locked(folder):
                yield

        with tempfile.TemporaryDirectory() as folder:
            keyring.create_key_file(folder)
            before = keyring.load("", folder).primary
            with patch.object(private_file, "locked", somebody_first):
                own = keyring.add_key(folder)
            self.assertEqual(len(others), 1)
            ring = keyring.load("", folder)
            self.assertEqual(ring.fingerprints, (own, *others, before))

    def test_a_locked_folder_is_nobody_elses(self):
        with tempfile.TemporaryDirectory() as folder:
            other = os.open(folder, os.O_RDONLY)
            self.addCleanup(os.close, other)
            with private_file.locked(folder), self.assertRaises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def restore(self, text):
        with open(self.file, "w") as stream:
            stream.write(text)

    def test_where_the_keys_are_elsewhere_it_is_handed_out(self):
        with self.keys(self.key):
            made, text = self.ring._new_key()
        self.assertFalse(made)
        self.assertEqual(len(base64.b64decode(text)), keyring.KEY_BYTES)
        self.assertNotEqual(base64.b64decode(text), self.key)
