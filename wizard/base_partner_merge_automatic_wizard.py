"""Two records of one contact become one. Odoo's wizard moves what belongs to them by
plain SQL, and deletes what it cannot move: a PIN, for one. Here it fails closed."""

from functools import partial

from odoo import api, models

from ..models.secure_address import CHANNELS


class BasePartnerMergeAutomaticWizard(models.TransientModel):
    _inherit = "base.partner.merge.automatic.wizard"

    @api.model
    def _update_foreign_keys(self, src_partners, dst_partner):
        """Make way for the merged contact's conversations before Odoo moves them."""
        everyone = src_partners | dst_partner
        # sudo: whoever may merge contacts need not see their conversations
        inside = self.env["secure.thread"].sudo().with_context(active_test=False)
        threads = inside.search([("partner_id", "in", everyone.ids)])
        self._secure_close_doors(threads)
        has_pin = self._secure_merge_pins(everyone, threads)
        self._secure_merge_documents(src_partners, dst_partner, threads)
        self._secure_merge_lines(everyone)
        changed, outside = self._secure_merge_addresses(everyone)
        result = super()._update_foreign_keys(src_partners, dst_partner)
        if threads:
            # What was written to the others may now be opened by other addresses
            changed = CHANNELS
        addresses = self.env["secure.address"]
        addresses._note((dst_partner.id, channel) for channel in changed)
        addresses._note(
            ((dst_partner.id, channel) for channel in outside), outside=True
        )
        if has_pin is not None:
            self.env["secure.pin"]._note_change(dst_partner, "merged", tell=False)
        if has_pin is False:
            newest = threads.filtered("active").sorted("last_message_date")[-1:]
            newest._remind_responsible("merged")
        return result

    @api.model
    def _update_values(self, src_partners, dst_partner):
        """The merged contact takes addresses from the others: by whoever merges, and
        yet chosen by whoever chose them."""
        addresses = self.env["secure.address"]
        outside = addresses._outside(dst_partner)
        result = super()._update_values(src_partners, dst_partner)
        addresses._note(outside, outside=True)
        # As late as can be: it keeps all gates waiting until the commit
        self.env.cr.precommit.add(
            partial(self.env["secure.attempt"]._add_up, src_partners, dst_partner)
        )
        return result

    @api.model
    def _secure_close_doors(self, threads):
        """Who is inside was let in as one of the contacts, not as the merged one."""
        # sudo: grants are nobody's
        grants = self.env["secure.grant"].sudo()
        grants.search([("thread_id", "in", threads.ids)])._end()

    @api.model
    def _secure_merge_pins(self, partners, threads):
        """Keep a PIN only where no other of the contacts is asked for one.

        Hashes cannot be compared. Were one of two PINs kept, whoever knows it would
        read what was written to the other; so neither is.

        PINs that wait to be set were chosen for one of the contacts, too.

        :return: whether the merged contact has a PIN; None when none is asked for
        """
        self.env["secure.pin.bulk.line"]._drop_waiting(
            partners, self.env._("The contact was merged with another.")
        )
        # sudo: whose PINs there are, not what they are
        pins = (
            self.env["secure.pin"].sudo().search([("partner_id", "in", partners.ids)])
        )
        asked = threads.filtered(lambda thread: thread.pin_rule == "contact")
        owners = pins.partner_id | asked.partner_id
        if len(owners) > 1:
            pins.unlink()
        return bool(pins.exists()) if owners else None

    @api.model
    def _secure_merge_documents(self, src_partners, dst_partner, threads):
        """Of two conversations about one document, the one that was written in last
        goes on; the other is archived, which ends its links and loses nothing."""
        latest = {}
        for thread in threads.sorted(lambda row: (row.last_message_date, row.id)):
            of_document = thread.res_id and thread.pin_rule != "message"
            if thread.active and of_document and not thread.apart:
                about = (thread.res_model, thread.res_id)
                if about[0] == "res.partner" and about[1] in src_partners.ids:
                    about = (about[0], dst_partner.id)
                latest.setdefault((thread.company_id, *about), []).append(thread)
        rivals = [thread for rows in latest.values() for thread in rows[:-1]]
        archived = threads.browse(thread.id for thread in rivals)
        if archived:
            archived.write({"active": False})
            log = self.env["secure.access.log"]
            log._log("revoked", archived, detail="merged")
        own = threads.filtered(
            lambda thread: thread.res_model == "res.partner"
            and thread.res_id in src_partners.ids
        )
        own.write({"res_id": dst_partner.id})

    @api.model
    def _secure_merge_addresses(self, partners):
        """Odoo would break off at a second row for one contact: it does not look at
        unique indexes.

        :return: (channels with an address that gets no codes yet, those of them where
            somebody outside has changed it), of any of the contacts
        """
        addresses = self.env["secure.address"]
        noted = addresses._unconfirmed(partners), addresses._outside(partners)
        # sudo: rows are the system's
        addresses.sudo().search([("partner_id", "in", partners.ids)]).unlink()
        return [{channel for _partner_id, channel in places} for places in noted]

    @api.model
    def _secure_merge_lines(self, partners):
        """Nobody gets a planned send twice."""
        # sudo: whoever may merge contacts need not see what is sent to them
        lines = self.env["secure.dispatch.line"].sudo()
        lines = lines.search(
            [("partner_id", "in", partners.ids), ("state", "=", "waiting")], order="id"
        )
        for same in lines.grouped(lambda row: (row.dispatch_id, row.res_id)).values():
            same[1:].write({"state": "cancelled"})
