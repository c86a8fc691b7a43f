"""What only shows with several connections that really commit."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from unittest.mock import patch

from odoo import api
from odoo.sql_db import db_connect
from odoo.tests import tagged

from ..tools.pin_policy import WRONG_PINS_PER_ADDRESS
from .common import SecureCase

TRIES = 20


@tagged("post_install", "-at_install")
class TestParallel(SecureCase):
    """Counters in transactions of their own. The test's own transaction must not touch
    their table: it would hold a lock on it."""

    def setUp(self):
        super().setUp()
        connection = db_connect(self.env.cr.dbname)
        real = patch.object(
            self.registry, "cursor", lambda readonly=False: connection.cursor()
        )
        self.startPatcher(real)
        self.addCleanup(self._forget, connection)
        self.connection = connection
        self.subject = [("address", "parallel-test"), ("link", "parallel-test")]

    def _forget(self, connection):
        with connection.cursor() as cr:
            cr.execute("DELETE FROM secure_attempt WHERE key = 'parallel-test'")

    def charge(self, start):
        with self.connection.cursor() as cr:
            attempts = api.Environment(cr, api.SUPERUSER_ID, {})["secure.attempt"]
            start.wait()
            return (
                attempts._lock_reason(self.subject) or attempts._charge(self.subject)[0]
            )

    def counters(self):
        with self.connection.cursor() as cr:
            attempts = api.Environment(cr, api.SUPERUSER_ID, {})["secure.attempt"]
            return attempts._read_counters(self.subject)

    def test_statement_16_no_more_than_allowed_are_compared(self):
        with ThreadPoolExecutor(TRIES) as pool:
            found = list(pool.map(self.charge, [Barrier(TRIES, timeout=30)] * TRIES))
        self.assertEqual(found.count(False), WRONG_PINS_PER_ADDRESS)
        self.assertEqual(
            self.counters()["address"]["window_count"], WRONG_PINS_PER_ADDRESS
        )

    def test_statement_18_a_charge_survives_what_comes_after(self):
        with self.assertRaises(ZeroDivisionError), self.connection.cursor() as cr:
            attempts = api.Environment(cr, api.SUPERUSER_ID, {})["secure.attempt"]
            attempts._charge(self.subject)
            raise ZeroDivisionError
        self.assertEqual(self.counters()["link"]["total"], 1)
