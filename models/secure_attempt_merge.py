"""What becomes of counters as contacts become one."""

from odoo import api, models
from odoo.tools import SQL

OTHER_KINDS = ("address", "link", "code_try")
"""Counted by something else; all others by the contact's id."""


class SecureAttemptMerge(models.Model):
    _inherit = "secure.attempt"

    @api.model
    def _add_up(self, merged, partner):
        """Wrong PINs and rations of merged contacts count together: no budget is ever
        filled up by the way.

        For once in the caller's transaction, as its last act: the counts move if and
        only if the contacts become one, be it after several tries. Counters that change
        meanwhile make PostgreSQL refuse, and the merge begin anew.

        :param merged: those that are gone, into ``partner``
        """
        keys = [str(partner_id) for partner_id in merged.ids]
        self.env.cr.execute(
            SQL(
                """WITH gone AS (
                       DELETE FROM secure_attempt
                        WHERE kind NOT IN %(kinds)s AND key = ANY(%(keys)s)
                    RETURNING kind, window_start, window_count, total)
                   INSERT INTO secure_attempt
                          (kind, key, window_start, window_count, total)
                   SELECT kind, %(key)s, MAX(window_start), SUM(window_count),
                          SUM(total)
                     FROM gone
                    GROUP BY kind
              ON CONFLICT (kind, key) DO UPDATE
                      SET total = secure_attempt.total + EXCLUDED.total,
                          window_count = secure_attempt.window_count
                                       + EXCLUDED.window_count,
                          window_start = GREATEST(secure_attempt.window_start,
                                                  EXCLUDED.window_start)""",
                kinds=OTHER_KINDS,
                key=str(partner.id),
                keys=keys,
            )
        )
