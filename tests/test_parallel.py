"""What only shows with several connections that really commit."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from unittest.mock import patch

import psycopg2

from odoo import api
from odoo.sql_db import db_connect
from odoo.tests import tagged

from ..models import secure_pin_bulk
from ..tools.pin_policy import WRONG_PINS_PER_ADDRESS, WRONG_PINS_PER_LINK
from .common import SecureCase

TRIES = 20
MANY_TRIES = 200
AT_ONCE = 25
"""Each holds two of PostgreSQL's connections."""


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
            cr.execute("DELETE FROM secure_attempt WHERE key LIKE 'parallel-test%'")

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

    def try_all(self, addresses):
        """Wrong PINs from many places, as fast as they go, each with a connection of
        its own: all of what a gate does but the comparison, which is counted.

        :param list addresses: one for each try
        :return: (outcomes, number of comparisons)
        """
        compared = []

        def attempt(address):
            with self.connection.cursor() as cr:
                env = api.Environment(cr, api.SUPERUSER_ID, {})
                return env["secure.pin"]._try(env["secure.link"], "0000", address)[0]

        def subject(_self, _link, address):
            return [("address", f"parallel-test{address}"), self.subject[1]]

        def compare(_self, _link, pin):
            compared.append(pin)
            return "wrong"

        model = type(self.env["secure.pin"])
        with (
            patch.object(type(self.env["secure.attempt"]), "_subject", subject),
            patch.object(model, "_compare", compare),
            patch.object(model, "_note_try", lambda *args: None),
            ThreadPoolExecutor(AT_ONCE) as pool,
        ):
            return list(pool.map(attempt, addresses)), len(compared)

    def test_statement_16_200_parallel_tries_from_one_address(self):
        self.subject[0] = ("address", "parallel-test1")
        outcomes, compared = self.try_all(["1"] * MANY_TRIES)
        self.assertEqual(compared, WRONG_PINS_PER_ADDRESS)
        self.assertEqual(outcomes.count("locked"), MANY_TRIES - compared)
        rows = self.counters()
        self.assertEqual(
            [rows[kind]["total"] for kind in ("address", "link")], [compared] * 2
        )

    def test_statement_16_200_parallel_tries_from_200_addresses(self):
        outcomes, compared = self.try_all([str(n) for n in range(MANY_TRIES)])
        self.assertEqual(compared, WRONG_PINS_PER_LINK)
        self.assertEqual(outcomes.count("locked"), MANY_TRIES - compared)
        self.assertEqual(self.counters()["link"]["window_count"], compared)

    def test_statement_18_counts_outlive_the_process(self):
        """All there is of them stands in PostgreSQL: another client reads it, and
        workers that know nothing yet go by it."""
        for _number in range(WRONG_PINS_PER_ADDRESS):
            with self.connection.cursor() as cr:
                env = api.Environment(cr, api.SUPERUSER_ID, {})
                env["secure.attempt"]._charge(self.subject)
        with self.connection.cursor() as cr:
            dsn = cr._cnx.dsn
        with closing(psycopg2.connect(dsn)) as other, other.cursor() as plain:
            plain.execute(
                "SELECT window_count FROM secure_attempt WHERE kind = %s AND key = %s",
                self.subject[0],
            )
            self.assertEqual(plain.fetchone(), (WRONG_PINS_PER_ADDRESS,))
        self.registry.clear_all_caches()
        with self.connection.cursor() as cr:
            env = api.Environment(cr, api.SUPERUSER_ID, {})
            found, _made = env["secure.attempt"]._charge(self.subject)
        self.assertEqual(found[0], "address")


@tagged("post_install", "-at_install")
class TestParallelBulk(SecureCase):
    """PINs set in bulk, by two workers at once and by one that is killed."""

    PINS = ("603852", "603853", "603854", "603857", "603858")

    def setUp(self):
        super().setUp()
        self.connection = db_connect(self.env.cr.dbname)
        real = patch.object(
            self.registry, "cursor", lambda readonly=False: self.connection.cursor()
        )
        self.startPatcher(real)
        self.startPatcher(patch.object(secure_pin_bulk, "CHUNK", 2))
        with self.connection.cursor() as cr:
            env = api.Environment(cr, api.SUPERUSER_ID, {})
            people = env["res.partner"].create([{"name": pin} for pin in self.PINS])
            pins = dict(zip(people, self.PINS, strict=True))
            self.bulk_id = env["secure.pin.bulk"]._set_pins(pins, "imported").id
            self.partner_ids = people.ids
        self.addCleanup(self._forget)

    def _forget(self):
        with self.connection.cursor() as cr:
            cr.execute("DELETE FROM secure_pin_bulk WHERE id = %s", [self.bulk_id])
            cr.execute("DELETE FROM res_partner WHERE id = ANY(%s)", [self.partner_ids])

    def worker(self):
        cr = self.connection.cursor()
        self.addCleanup(cr.close)
        cr.execute("SET lock_timeout = '5s'")
        return api.Environment(cr, api.SUPERUSER_ID, {})["secure.pin.bulk"].browse(
            self.bulk_id
        )

    def test_statement_47_two_workers_set_each_pin_once(self):
        one, two, last = self.worker(), self.worker(), self.worker()
        self.assertEqual((one._run_chunk(), two._run_chunk()), (2, 2))
        one.env.cr.commit()
        two.env.cr.rollback()
        self.assertEqual((last._run_chunk(), last._run_chunk()), (2, 1))
        last.env.cr.commit()
        look = self.worker()
        self.assertEqual((look.state, look.done_count), ("done", 5))
        pins = look.env["secure.pin"].search([("partner_id", "in", self.partner_ids)])
        self.assertEqual(pins.mapped("generation"), [1] * 5)
