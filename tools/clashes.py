"""When another worker got in between: nothing of a transaction counts, run it again."""

import logging

import psycopg2

from odoo.exceptions import ConcurrencyError

_logger = logging.getLogger(__name__)

CLASHES = (ConcurrencyError, psycopg2.extensions.TransactionRollbackError)
CLASHES_BORNE = 10
"""How often another worker may get in between before this one leaves it to the next."""


def again(env, act):
    """Do something that begins and ends with a transaction, anew after each clash.

    For what no request runs again: Odoo does that for requests, not for its jobs.

    :param act: what to do; it may be done twice, and commits by itself
    :return: what it returned, or None when others got in between too often
    """
    for _try in range(CLASHES_BORNE):
        try:
            return act()
        except CLASHES:
            env.cr.rollback()
    _logger.warning("Others got in between %s times: left for later", CLASHES_BORNE)
    return None
