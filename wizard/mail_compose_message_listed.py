"""Who of many is left out of what Odoo's composer sends: those on the blacklist."""

from collections import Counter

from odoo import models


class MailComposeMessageListed(models.TransientModel):
    _inherit = "mail.compose.message"

    def _get_blacklist_record_ids(self, mail_values_dict, recipients_info=None):
        """Odoo leaves a document out when one of its recipients is on the blacklist:
        its mail is one for all. Ours is for each alone (:meth:`_secure_blacklisted`).
        """
        listed = super()._get_blacklist_record_ids(mail_values_dict, recipients_info)
        if not self.secure_send or self._secure_blacklists_documents():
            return listed
        return {id_ for id_ in listed if len(recipients_info[id_]["mail_to"]) < 2}

    def _secure_blacklists_documents(self):
        """Whether the documents themselves are on the blacklist, or not."""
        return isinstance(self.env[self.model], self.pool["mail.thread.blacklist"])

    def _secure_blacklisted(self, rows):
        """Note which recipients asked not to be written to, where Odoo looked at their
        document, or at none: a contact may be the only one beside colleagues."""
        records = Counter(row["res_id"] for row in rows)
        alone = self._secure_blacklists_documents()
        asked = [
            row
            for row in rows
            if not row.get("problem") and not (alone and records[row["res_id"]] == 1)
        ]
        if not asked or not self.use_exclusion_list:
            return
        partners = self.env["res.partner"].union(*(row["partner"] for row in asked))
        dispatches = self.env["secure.dispatch"]
        listed = dispatches._blacklisted_partners(partners, "email")
        for row in asked:
            if row["partner"] in listed:
                row["problem"] = dispatches._blacklisted_text()
