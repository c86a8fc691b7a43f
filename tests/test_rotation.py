"""A new key takes the place of an old one."""

import base64
import os
from contextlib import contextmanager, suppress
from unittest.mock import patch

from odoo import SUPERUSER_ID, api
from odoo.sql_db import db_connect
from odoo.tests import tagged
from odoo.tools import config, mute_logger

from ..models import secure_keyring_rotation as rotation
from ..tools import keyring
from ..tools.keyring import Purpose
from .common import (
    CANARY,
    CANARY_FILE,
    CANARY_FILE_NAME,
    CANARY_REPLY,
    CANARY_SUBJECT,
    PIN,
    WRONG_PIN,
    SecureCase,
)
from .test_keys import KEYRING_LOG, as_text

NEW_KEY = b"n" * 32
THIRD_KEY = b"t" * 32
ROTATION_LOG = "odoo.addons.secure_messaging.models.secure_keyring_rotation"


class Killed(BaseException):
    """A process that ends in the middle: nothing catches this."""


class RotationCase(SecureCase):
    def setUp(self):
        super().setUp()
        with open(keyring.key_file(config["data_dir"])) as stream:
            self.key = base64.b64decode(stream.read())
        self.old, self.new = (
            keyring.Keyring([key]).primary for key in (self.key, NEW_KEY)
        )
        self.ring = self.env["secure.keyring"]

    @contextmanager
    def keys(self, *keys):
        with patch.dict(os.environ, {keyring.ENVIRONMENT_VARIABLE: as_text(*keys)}):
            self.env.cr.cache.clear()
            yield
        self.env.cr.cache.clear()

    def run_apart(self, act):
        """In transactions of its own, as the cron and the command do."""
        self.env.flush_all()
        with self.registry.cursor() as cr:
            try:
                return act(api.Environment(cr, SUPERUSER_ID, {})["secure.keyring"])
            finally:
                self.env.invalidate_all()

    def rotate(self):
        return self.run_apart(lambda ring: ring._rotate())

    def everything(self):
        """Something in each place that holds ciphertext."""
        self.set_pin(self.contact)
        files = [(CANARY_FILE_NAME, CANARY_FILE.encode())]
        sent = self.send(attachments=files)
        grant, _secret = self.env["secure.grant"]._open(sent.link)
        grant._keep_draft(CANARY_REPLY)
        compose = self.env["secure.compose"].with_user(self.sender).create({})
        compose.write({"subject": CANARY_SUBJECT, "body": CANARY, "pin": PIN})
        self.planned(pin=PIN, files=files)
        self.env["mail.compose.message"].with_user(self.sender).create(
            {
                "model": "res.partner",
                "res_ids": repr(self.contact.ids),
                "subject": CANARY_SUBJECT,
                "body": CANARY,
            }
        )
        bulk = self.env["secure.pin.bulk"].sudo()
        bulk = bulk.create(
            {
                "company_id": self.company.id,
                "origin": "imported",
                "user_id": self.manager.id,
            }
        )
        self.env["secure.pin.bulk.line"]._put(bulk, {self.other_contact: WRONG_PIN})
        self.env["sms.composer"].with_user(self.sender).create(
            {
                "res_model": "res.partner",
                "res_ids": repr(self.contact.ids),
                "body": CANARY,
            }
        )
        self.env.flush_all()
        return sent

    def sealed_cells(self, fingerprint):
        """(table, column) of all text in the database under a key, and how many rows;
        found by looking, not by what is declared."""
        self.env.flush_all()
        head = keyring.text_head(fingerprint)
        cr = self.env.cr
        cr.execute(
            """SELECT c.table_name, c.column_name
                 FROM information_schema.columns AS c
                 JOIN information_schema.tables AS t USING (table_schema, table_name)
                WHERE t.table_type = 'BASE TABLE' AND t.table_schema = 'public'
                  AND c.data_type IN ('text', 'character varying', 'jsonb', 'json')"""
        )
        found = {}
        for table, column in cr.fetchall():
            cr.execute(  # pylint: disable=sql-injection
                f'SELECT count(*) FROM "{table}" WHERE "{column}"::text LIKE %s',
                [f"%{head}%"],
            )
            count = cr.fetchone()[0]
            if count:
                found[table, column] = count
        return found

    def files_under(self, fingerprint):
        head = keyring.VERSION + bytes.fromhex(fingerprint)
        self.env.invalidate_all()
        files = self.env["ir.attachment"].sudo().search([("secure_uid", "!=", False)])
        return files.filtered(lambda file: file.raw.startswith(head))


@tagged("post_install", "-at_install")
class TestRotation(RotationCase):
    def test_each_column_with_ciphertext_is_declared(self):
        """And each that is declared is among what is tested here."""
        self.everything()
        with self.keys(NEW_KEY, self.key):
            # Not before there is another key: what has none to prove is empty
            self.rotate()
            found = set(self.sealed_cells(self.new))
            declared = {
                (self.env[model]._table, field.name)
                for model, columns in self.ring._sealed_columns().items()
                for field in columns
            }
        self.assertEqual(found, declared)

    def test_what_is_not_declared_is_not_sealed(self):
        for place in (("res.partner", "u", "name"), ("secure.thread", "u", "name")):
            with self.assertRaises(NotImplementedError):
                self.ring._seal(Purpose.CONTENT, place, "x")
        with self.assertRaises(NotImplementedError):
            self.ring._seal(Purpose.PINS, ("secure.thread", "u", "subject"), "x")

    def test_statement_40_everything_is_sealed_anew(self):
        sent = self.everything()
        before = self.sealed_cells(self.old)
        files = self.files_under(self.old)
        self.assertEqual(len(files), 2)
        with self.keys(NEW_KEY, self.key):
            self.assertTrue(self.ring._rotation_is_due())
            with self.leak_scan() as scan:
                self.assertTrue(self.rotate())
                self.assertNoLeak(scan, PIN, self.token)
            self.assertFalse(self.sealed_cells(self.old))
            self.assertFalse(self.files_under(self.old))
            after = self.sealed_cells(self.new)
            after.pop(("secure_link", "token_proof"))
            self.assertEqual(after, before)
            self.assertFalse(self.ring._rotation_is_due())
        with self.keys(NEW_KEY):
            self.assertEqual(self.ring._needed(), [self.new])
            thread = sent.thread.with_user(self.sender)
            self.assertEqual(thread.subject, CANARY_SUBJECT)
            clear = sent.message._secure_clear()[sent.message.id]
            self.assertIn(CANARY, clear["body"])
            file = sent.message.sudo().attachment_ids
            self.assertEqual(file._secure_data(), CANARY_FILE.encode())
            self.assertEqual(file._secure_head()["name"], CANARY_FILE_NAME)
            self.assertEqual(file._secure_head()["file_size"], len(CANARY_FILE))
            grant = self.env["secure.grant"].search([("thread_id", "=", thread.id)])
            self.assertEqual(grant._draft(), CANARY_REPLY)
            pins = self.env["secure.pin"]
            _rule, asked = pins._for(sent.thread)
            self.assertTrue(pins._matches(asked, PIN))
            self.assertFalse(pins._matches(asked, WRONG_PIN))
            for model in ("secure.compose", "secure.dispatch"):
                row = self.env[model].search([], order="id desc", limit=1)
                self.assertEqual(row._open_sealed("sealed_subject"), CANARY_SUBJECT)
                self.assertIn(CANARY, row._open_sealed("sealed_body"))
                self.assertEqual(row._open_sealed("sealed_pin"), PIN)
            for model in ("mail.compose.message", "sms.composer"):
                row = self.env[model].search([], order="id desc", limit=1)
                self.assertIn(CANARY, row.body)

    def test_old_files_go_with_the_next_clean_up(self):
        self.send(attachments=[(CANARY_FILE_NAME, CANARY_FILE.encode())])
        files = self.files_under(self.old)
        paths = [files._full_path(name) for name in files.mapped("store_fname")]
        with self.keys(NEW_KEY, self.key):
            self.rotate()
            self.assertTrue(all(os.path.exists(path) for path in paths))
            files._gc_file_store_unsafe()
            self.assertFalse(any(os.path.exists(path) for path in paths))
            self.assertEqual(files._secure_data(), CANARY_FILE.encode())

    def test_statement_47_killed_in_the_middle_goes_on(self):
        sent = [self.send(body=f"<p>{CANARY} {number}</p>") for number in range(5)]
        self.startPatcher(patch.object(rotation, "RESEAL_BATCH", 2))
        messages = self.env["mail.message"].union(*(one.message for one in sent))
        batches = []
        real = self.registry["secure.keyring"]._reseal_batch

        def dying(ring, model, *args):
            if model._name == "mail.message":
                batches.append(1)
                if len(batches) == 2:
                    raise Killed
            return real(ring, model, *args)

        def cells():
            self.env.invalidate_all()
            return messages.sudo().mapped("secure_body")

        with self.keys(NEW_KEY, self.key):
            with patch.object(self.registry["secure.keyring"], "_reseal_batch", dying):
                # Not assertRaises: Odoo's would roll back what was committed
                with suppress(Killed):
                    self.rotate()
            self.assertEqual(len(batches), 2)
            head = keyring.text_head(self.new)
            halfway = cells()
            done = [cell for cell in halfway if cell.startswith(head)]
            self.assertEqual(len(done), 2)
            self.assertEqual(self.ring._needed(), [self.old, self.new])
            status = self.ring._rotation_status()
            self.assertTrue(0 < status["done"] < status["whole"])
            self.assertFalse(status["removable"])
            # What is sealed with either is read meanwhile
            self.assertEqual(len(messages._secure_clear()), 5)
            self.assertTrue(self.rotate())
            after = cells()
            self.assertTrue(all(cell.startswith(head) for cell in after))
            self.assertTrue(set(done) <= set(after), "what was done is not done again")
            self.assertEqual(self.ring._rotation_status()["removable"], [self.old])
            # Run once more: nothing to do, nothing changes
            self.assertTrue(self.rotate())
            self.assertEqual(cells(), after)

    def test_statement_47_a_value_that_does_not_open_stops_no_other(self):
        bad, good = self.send(), self.send()
        cell = bad.message.sudo().secure_body
        broken = cell[:40] + ("A" if cell[40] != "A" else "B") + cell[41:]
        self.env.cr.execute(
            "UPDATE mail_message SET secure_body = %s WHERE id = %s",
            [broken, bad.message.id],
        )
        self.env.invalidate_all()
        with self.keys(NEW_KEY, self.key):
            with self.assertLogs(ROTATION_LOG, "ERROR") as logs:
                self.assertFalse(self.rotate())
            self.assertIn(str(bad.message.id), "".join(logs.output))
            self.assertNotIn(CANARY, "".join(logs.output))
            head = keyring.text_head(self.new)
            self.assertTrue(good.message.sudo().secure_body.startswith(head))
            self.assertEqual(bad.message.sudo().secure_body, broken)
            # The old key is kept, and what it seals is not given up
            self.assertIn(self.old, self.ring._needed())
            self.assertFalse(self.ring._rotation_status()["removable"])

    def test_a_lost_file_does_not_hold_the_old_key(self):
        sent = self.send(attachments=[(CANARY_FILE_NAME, CANARY_FILE.encode())])
        file = sent.message.sudo().attachment_ids
        os.unlink(file._full_path(file.store_fname))
        with self.keys(NEW_KEY, self.key):
            self.assertTrue(self.rotate())
            self.assertEqual(file._secure_head()["name"], CANARY_FILE_NAME)

    def test_nothing_to_do_costs_nothing(self):
        self.send()
        with patch.object(
            self.registry["secure.keyring"], "_sealed_counts", side_effect=Killed
        ):
            self.run_apart(lambda ring: ring._cron_rotate())
            with self.assertQueryCount(2):
                self.env.cr.cache.clear()
                self.ring._rotation_is_due()

    def test_the_cron_does_it(self):
        sent = self.send()
        with self.keys(NEW_KEY, self.key):
            self.env.ref("secure_messaging.ir_cron_rotate").method_direct_trigger()
            self.env.invalidate_all()
            head = keyring.text_head(self.new)
            self.assertTrue(sent.message.sudo().secure_body.startswith(head))
        with self.keys(b"o" * 32), mute_logger(KEYRING_LOG):
            self.run_apart(lambda ring: ring._cron_rotate())
        self.assertTrue(sent.message.sudo().secure_body.startswith(head))

    def test_work_that_began_before_is_waited_for(self):
        sent = self.send()
        keyrings = self.registry["secure.keyring"]
        busy = patch.object(keyrings, "_is_older_work_under_way", lambda _self: True)
        with self.keys(NEW_KEY, self.key):
            old_cell = sent.message.sudo().secure_body
            with busy:
                job = self.env.ref("secure_messaging.ir_cron_rotate")
                self.run_apart(lambda ring: ring._cron_rotate())
                triggers = self.env["ir.cron.trigger"].search(
                    [("cron_id", "=", job.id)]
                )
                self.assertEqual(len(triggers), 1, "it looks again by itself")
                self.assertFalse(self.ring._rotation_status()["removable"])
                self.assertTrue(self.ring._rotation_is_due())
            # That work ends, and has sealed with the old key
            self.env.cr.execute(
                "UPDATE mail_message SET secure_body = %s WHERE id = %s",
                [old_cell, sent.message.id],
            )
            self.env.invalidate_all()
            self.assertTrue(self.rotate())
            self.assertFalse(self.sealed_cells(self.old))
            self.assertEqual(self.ring._rotation_status()["removable"], [self.old])

    def test_a_value_found_at_the_last_look_keeps_the_key(self):
        sent = self.send()
        old_cell = sent.message.sudo().secure_body
        with self.keys(NEW_KEY, self.key):
            self.rotate()
            self.env.cr.execute(
                "UPDATE mail_message SET secure_body = %s WHERE id = %s",
                [old_cell, sent.message.id],
            )
            self.ring._set_retiring([self.old])
            self.env.invalidate_all()
            counts = iter([(0, 9), (1, 9)])
            with patch.object(
                self.registry["secure.keyring"],
                "_sealed_counts",
                lambda _self: next(counts),
            ):
                self.assertFalse(self.rotate())
            self.assertEqual(self.ring._needed(), [self.new, self.old])
            self.assertTrue(self.rotate())
            self.assertEqual(self.ring._needed(), [self.new])

    def test_queries_do_not_grow_with_a_batch(self):
        def queries_of(model, count):
            with self.keys(self.key, NEW_KEY):
                for _number in range(count):
                    self.send()
            columns = self.ring._sealed_columns()[model]
            with self.keys(NEW_KEY, self.key):
                self.ring._sealing_ring()
                self.env.invalidate_all()
                before = self.env.cr.sql_log_count
                _last, done = self.ring._reseal_batch(self.env[model], columns, 0)
                self.assertEqual(done, count)
                return self.env.cr.sql_log_count - before

        for model in ("mail.message", "secure.link"):
            with self.keys(NEW_KEY, self.key):
                self.rotate()
            self.assertEqual(queries_of(model, 2), queries_of(model, 8))


@tagged("post_install", "-at_install")
class TestRotationBesideOthers(RotationCase):
    """With connections that really commit. What they write is taken away again."""

    def setUp(self):
        super().setUp()
        self.connection = db_connect(self.env.cr.dbname)
        real = patch.object(
            self.registry, "cursor", lambda readonly=False: self.connection.cursor()
        )
        self.startPatcher(real)
        with self.connection.cursor() as cr:
            self.needed = self.keyring(cr)._needed()
            forms = api.Environment(cr, SUPERUSER_ID, {})["secure.compose"]
            self.ids = forms.create([{}, {}]).ids
            for form in forms.browse(self.ids):
                form._seal("sealed_subject", CANARY_SUBJECT)
        self.addCleanup(self.forget)

    def forget(self):
        with self.connection.cursor() as cr:
            self.keyring(cr)._set_needed(self.needed)
            self.keyring(cr)._set_retiring([])
            self.keyring(cr).env["secure.compose"].browse(self.ids).unlink()

    def keyring(self, cr):
        return api.Environment(cr, SUPERUSER_ID, {})["secure.keyring"]

    def subjects(self, cr, fingerprint):
        """Which of the forms are sealed with a key."""
        head = keyring.text_head(fingerprint)
        cr.execute(
            """SELECT id FROM secure_compose
                WHERE id = ANY(%s) AND starts_with(sealed_subject, %s)""",
            [self.ids, head],
        )
        return {id_ for (id_,) in cr.fetchall()}

    def batch(self, cr):
        ring = self.keyring(cr)
        columns = ring._sealed_columns()["secure.compose"]
        return ring._reseal_batch(ring.env["secure.compose"], columns, 0)

    def test_rows_that_others_hold_are_left(self):
        held, free = self.ids
        with self.keys(NEW_KEY, self.key):
            with self.connection.cursor() as person, self.connection.cursor() as job:
                person.execute(
                    "SELECT 1 FROM secure_compose WHERE id = %s FOR UPDATE", [held]
                )
                self.batch(job)
                self.assertEqual(self.subjects(job, self.new), {free})
            with self.connection.cursor() as job:
                self.batch(job)
                self.assertEqual(self.subjects(job, self.new), {held, free})

    def test_rows_that_others_have_just_changed_are_looked_at_again(self):
        changed, _other = self.ids
        with (
            self.keys(NEW_KEY, self.key),
            self.connection.cursor() as job,
            self.connection.cursor() as person,
        ):
            ring = self.keyring(job)
            columns = ring._sealed_columns()["secure.compose"]
            ring._sealing_ring()
            self.subjects(job, self.new)
            form = self.keyring(person).env["secure.compose"].browse(changed)
            form._seal("sealed_subject", "changed")
            form.write({"sealed_body": False})
            person.commit()
            with mute_logger("odoo.sql_db"):
                progress = rotation._Progress(ring.env, 2, 2, None)
                ring._rotate_model(ring.env["secure.compose"], columns, progress)
            self.assertEqual(self.subjects(job, self.new), set(self.ids))
            form = ring.env["secure.compose"].browse(changed)
            self.assertEqual(form._open_sealed("sealed_subject"), "changed")

    def test_a_new_key_is_noted_even_when_the_caller_rolls_back(self):
        with self.keys(NEW_KEY, self.key):
            with self.connection.cursor() as cr:
                self.keyring(cr)._sealing_ring()
                cr.rollback()
            with self.connection.cursor() as cr:
                self.assertIn(self.new, self.keyring(cr)._needed())

    @mute_logger("odoo.sql_db")
    def test_keys_are_given_up_while_another_is_noted(self):
        with (
            self.keys(NEW_KEY, self.key),
            self.connection.cursor() as job,
            self.connection.cursor() as person,
        ):
            ring = self.keyring(job)
            real, tries = self.registry["secure.keyring"]._set_needed, []

            def somebody_first(own, names):
                if not tries:
                    real(self.keyring(person), [self.new, self.old])
                    person.commit()
                tries.append(names)
                return real(own, names)

            ring._sealing_ring()
            job.commit()
            with patch.object(
                self.registry["secure.keyring"], "_set_needed", somebody_first
            ):
                # The test's own transaction is older work, which is waited for
                self.assertFalse(ring._rotate())
            self.assertEqual(tries, [[self.new]] * 2)
            self.assertEqual(ring._needed(), [self.new])
            self.assertEqual(ring._retiring(), [self.old])

    def test_a_job_notes_its_key_again_after_each_commit(self):
        """Another host may have given that key up since: it works on, on one cursor."""
        with self.connection.cursor() as job, self.connection.cursor() as other:
            ring = self.keyring(job)
            ring._sealing_ring()
            job.commit()
            self.keyring(other)._set_needed([])
            other.commit()
            ring._sealing_ring()
            job.commit()
            self.assertEqual(ring._needed(), [self.old])
            ring._sealing_ring()
            before = job.sql_log_count
            ring._sealing_ring()
            self.assertEqual(job.sql_log_count, before, "once a transaction")

    def test_work_under_way_is_seen(self):
        with self.connection.cursor() as person, self.connection.cursor() as job:
            person.execute("SELECT 1")
            ring = self.keyring(job)
            ring._set_retiring([self.old], ring._now())
            self.assertTrue(ring._is_older_work_under_way())
            ring._set_retiring([self.old], "1999-01-01T00:00:00+00:00")
            self.assertFalse(ring._is_older_work_under_way())
            job.rollback()
