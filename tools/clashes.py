"""When another worker got in between: nothing of a transaction counts, run it again."""

import logging

import psycopg2

from odoo.exceptions import ConcurrencyError

_logger = logging.getLogger(__name__)

CLASHES = (ConcurrencyError, psycopg2.extensions.TransactionRollbackError)
WHOLE_TRANSACTION = (ConcurrencyError, psycopg2.OperationalError)
"""After these nothing of a transaction counts: no failure of a single row in it."""
CLASHES_BORNE = 10
"""How often another worker may get in between before this one leaves it to the next."""


def again(env, act):
    """Do something that begins with a transaction, anew after each clash.

    For what no request runs again: Odoo does that for requests, not for its jobs.

    :param act: what to do; all of it since the last commit, as it may be done twice. It
        commits by itself, or the caller does so next
    :return: what it returned, or None when others got in between too often
    """
    for _try in range(CLASHES_BORNE):
        try:
            return act()
        except CLASHES:
            env.cr.rollback()
    _logger.warning("Others got in between %s times: left for later", CLASHES_BORNE)
    return None
