"""What becomes of counters as contacts become one."""

from odoo import api, models
from odoo.tools import SQL

OTHER_KINDS = ("address", "link")
"""All others are counted by the contact's id."""


class SecureAttemptMerge(models.Model):
    _inherit = "secure.attempt"

    @api.model
    def _add_up(self, merged, partner):
        """Wrong PINs of merged contacts count together: no budget is ever filled up by
        the way.

        :param merged: those that are gone, into ``partner``
        """
        keys = [str(partner_id) for partner_id in merged.ids]
        with self._own_transaction() as counters:
            counters.env.cr.execute(
                SQL(
                    """INSERT INTO secure_attempt
                              (kind, key, window_start, window_count, total)
                       SELECT kind, %(key)s, MAX(window_start), SUM(window_count),
                              SUM(total)
                         FROM secure_attempt
                        WHERE kind NOT IN %(kinds)s AND key = ANY(%(keys)s)
                        GROUP BY kind
                  ON CONFLICT (kind, key) DO UPDATE
                          SET total = secure_attempt.total + EXCLUDED.total,
                              window_count = secure_attempt.window_count
                                           + EXCLUDED.window_count""",
                    kinds=OTHER_KINDS,
                    key=str(partner.id),
                    keys=keys,
                )
            )
