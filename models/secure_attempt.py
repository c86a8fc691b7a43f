from odoo import api, fields, models
from odoo.tools import SQL

from ..tools import network
from ..tools.pin_policy import (
    WRONG_PINS_KILL_LINK,
    WRONG_PINS_LOCK,
    WRONG_PINS_PER_ADDRESS,
    WRONG_PINS_PER_CONTACT,
    WRONG_PINS_PER_LINK,
    WRONG_PINS_WINDOW,
)

WINDOW_LIMITS = {"address": WRONG_PINS_PER_ADDRESS, "link": WRONG_PINS_PER_LINK}
LOCK_TIMEOUT = "10s"
"""A gate that waits longer fails, and Odoo replays its request."""
TOTAL_LIMITS = {"link": WRONG_PINS_KILL_LINK, "contact": WRONG_PINS_PER_CONTACT}


class SecureAttempt(models.Model):
    """How often something was tried: one counter for each address, link and contact.

    Counters live in transactions of their own, so that neither an error nor a lost
    connection takes a failure back. They are only ever changed under a lock of the
    table, taken before the transaction's snapshot: parallel guesses queue up, each
    sees the last one's count, and none fails to serialize.
    """

    _name = "secure.attempt"
    _description = "Secure Messaging Throttle"
    _log_access = False

    kind = fields.Selection(
        [
            ("address", "Network address"),
            ("link", "Link"),
            ("contact", "Contact"),
            ("renewal_hour", "Renewals in an hour"),
            ("renewal_day", "Renewals in a day"),
            ("code_hour", "Codes in an hour"),
            ("code_day", "Codes in a day"),
            ("code_try", "Tries of a code"),
        ],
        required=True,
    )
    key = fields.Char(
        required=True, help="Record id, or keyed hash of a network address."
    )
    window_start = fields.Datetime(required=True)
    window_count = fields.Integer(required=True, default=0)
    total = fields.Integer(required=True, default=0)
    locked_until = fields.Datetime()

    _kind_key_unique = models.UniqueIndex("(kind, key)")

    @api.model
    def _subject(self, link, remote_addr):
        """What a try on a link is counted by: list of (kind, key)."""
        ring = self.env["secure.keyring"]._ring()
        addresses = ring.pseudonyms(network.throttle_key(remote_addr))
        return [
            *(("address", address) for address in addresses),
            ("link", str(link.id)),
            ("contact", str(link.thread_id.partner_id.id)),
        ]

    @api.model
    def _lock_reason(self, subject):
        """Why no PIN may be tried now: False, or (kind, until); until is None when
        only staff can end it."""
        return self._reason(self._read_counters(subject), fields.Datetime.now())

    @api.model
    def _charge(self, subject):
        """Count one try before its PIN is looked at, and commit that.

        :return: (found, made): a lock that was there already, like
            :meth:`_lock_reason` gives it, and then nothing was counted, as a lock is
            not prolonged by trying; else the lock this very try makes if it is wrong
        """
        with self._own_transaction() as counters:
            now = fields.Datetime.now()
            rows = counters._read_counters(subject)
            reason = counters._reason(rows, now)
            if reason:
                return reason, False
            for kind, key in subject:
                counters._count(kind, key, rows.get(kind), now)
            return False, counters._reason(counters._read_counters(subject), now)

    @api.model
    def _refund(self, subject, afresh=True):
        """Take back the charge of a right PIN. A network address starts afresh; link
        and contact keep the failures they had.

        :param bool afresh: False for what was no success, and no guess either
        """
        with self._own_transaction() as counters:
            for kind, key in subject:
                counters.env.cr.execute(
                    SQL(
                        """UPDATE secure_attempt
                              SET window_count = CASE WHEN kind = %s THEN 0
                                                 ELSE GREATEST(window_count - 1, 0) END,
                                  total = GREATEST(total - 1, 0),
                                  locked_until = CASE WHEN window_count <= %s THEN NULL
                                                 ELSE locked_until END
                            WHERE kind = %s AND key = %s""",
                        "address" if afresh else "",
                        WINDOW_LIMITS.get(kind, 0),
                        kind,
                        key,
                    )
                )

    @api.model
    def _allow(self, windows, key):
        """Count one use of something rationed, if all its windows have room.

        :param dict windows: (limit, timedelta) by kind
        :return: whether it was counted
        """
        with self._own_transaction() as counters:
            now = fields.Datetime.now()
            rows = counters._read_counters([(kind, key) for kind in windows])
            spans = {kind: span for kind, (_limit, span) in windows.items()}
            used = {
                kind: counters._used(rows.get(kind), spans[kind], now)
                for kind in windows
            }
            if any(used[kind] >= limit for kind, (limit, _span) in windows.items()):
                return False
            for kind, span in spans.items():
                counters._count(kind, key, rows.get(kind), now, span)
            return True

    @api.model
    def _staff_can_unlock(self, partner, links):
        """Whether there is a lock that :meth:`_forgive` ends."""
        keys = [str(link_id) for link_id in links.ids]
        self.env.cr.execute(
            SQL(
                """SELECT EXISTS (
                       SELECT FROM secure_attempt
                        WHERE (kind = 'contact' AND key = %s AND total >= %s)
                           OR (kind = 'link' AND key = ANY(%s)
                               AND locked_until > %s))""",
                str(partner.id),
                WRONG_PINS_PER_CONTACT,
                keys,
                fields.Datetime.now(),
            )
        )
        return self.env.cr.fetchone()[0]

    @api.model
    def _forgive(self, partners, links=()):
        """Staff unlocked contacts and their links, or set them a new PIN. A link that
        too many wrong PINs have ended stays dead: they can send a new one.

        In a transaction of its own like all else here: held until the caller's commit,
        the table's lock would stop every gate."""
        links = links or self.env["secure.link"]
        with self._own_transaction() as counters:
            counters.env.cr.execute(
                SQL(
                    """DELETE FROM secure_attempt
                        WHERE kind = 'contact' AND key = ANY(%s)""",
                    [str(partner_id) for partner_id in partners.ids],
                )
            )
            counters.env.cr.execute(
                SQL(
                    """UPDATE secure_attempt SET locked_until = NULL, window_count = 0
                        WHERE kind = 'link' AND key = ANY(%s)""",
                    [str(link_id) for link_id in links.ids],
                )
            )

    @api.model
    def _dead(self, links):
        """Those that too many wrong PINs have ended for good."""
        self.env.cr.execute(
            SQL(
                """SELECT key FROM secure_attempt
                    WHERE kind = 'link' AND key = ANY(%s) AND total >= %s""",
                [str(link_id) for link_id in links.ids],
                WRONG_PINS_KILL_LINK,
            )
        )
        return links.browse(int(key) for (key,) in self.env.cr.fetchall())

    # -- counters --------------------------------------------------------------

    @api.model
    def _reason(self, rows, now):
        for kind, limit in TOTAL_LIMITS.items():
            if kind in rows and rows[kind]["total"] >= limit:
                return kind, None
        locks = [
            (row["locked_until"], kind)
            for kind, row in rows.items()
            if row["locked_until"] and row["locked_until"] > now
        ]
        if not locks:
            return False
        until, kind = max(locks)
        return kind, until

    @api.model
    def _used(self, row, span, now):
        """What a counter holds within its running window."""
        running = row and row["window_start"] + span > now
        return row["window_count"] if running else 0

    @api.model
    def _count(self, kind, key, row, now, span=WRONG_PINS_WINDOW):
        count = self._used(row, span, now) + 1
        start = now if count == 1 else row["window_start"]
        locked = count >= WINDOW_LIMITS.get(kind, count + 1)
        values = [start, count, now + WRONG_PINS_LOCK if locked else None]
        self.env.cr.execute(
            SQL(
                """INSERT INTO secure_attempt
                          (kind, key, window_start, window_count, locked_until, total)
                   VALUES (%s, %s, %s, %s, %s, 1)
              ON CONFLICT (kind, key) DO UPDATE
                      SET window_start = EXCLUDED.window_start,
                          window_count = EXCLUDED.window_count,
                          locked_until = EXCLUDED.locked_until,
                          total = secure_attempt.total + 1""",
                kind,
                key,
                *values,
            )
        )

    @api.model
    def _read_counters(self, subject):
        """Counters by kind, straight from PostgreSQL: a cache would be another's.

        Of several for one network address, each by another key, the fullest: a key that
        is new or gone gives nobody more tries."""
        self.env.cr.execute(
            SQL(
                """SELECT kind, window_start, window_count, locked_until, total
                     FROM secure_attempt WHERE (kind, key) IN %s
                    ORDER BY locked_until NULLS FIRST, window_count""",
                tuple(subject),
            )
        )
        return {row["kind"]: row for row in self.env.cr.dictfetchall()}

    @api.model
    def _own_transaction(self):
        return _OwnTransaction(self)

    @api.autovacuum
    def _gc_addresses(self):
        """Forget network addresses that have been quiet, and codes of the past."""
        limit = fields.Datetime.now() - WRONG_PINS_LOCK - WRONG_PINS_WINDOW
        self.env.cr.execute(
            SQL(
                """DELETE FROM secure_attempt
                    WHERE kind IN ('address', 'code_try') AND window_start < %s""",
                limit,
            )
        )


class _OwnTransaction:
    """The counters in a transaction that commits, whatever the caller's does."""

    def __init__(self, counters):
        self._counters = counters
        self._cursor = counters.env.registry.cursor()

    def __enter__(self):
        cursor = self._cursor.__enter__()
        # The first statement: LOCK TABLE takes no snapshot, so what follows sees
        # every count committed by whoever held the lock before.
        cursor.execute(SQL("SET LOCAL lock_timeout = %s", LOCK_TIMEOUT))
        cursor.execute("LOCK TABLE secure_attempt IN SHARE ROW EXCLUSIVE MODE")
        return self._counters.with_env(self._counters.env(cr=cursor))

    def __exit__(self, *exception):
        return self._cursor.__exit__(*exception)
