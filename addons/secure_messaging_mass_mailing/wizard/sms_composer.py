"""Secure mailings by SMS."""

from odoo import models

from ..models.mailing_trace import refuse_trace, repeat_trace, trace_of


class SmsComposer(models.TransientModel):
    _inherit = "sms.composer"

    def _is_secure_mailing(self):
        return bool(self.secure_send and self._is_mass_sms())

    def _action_send_sms_mass(self, records=None):
        """A secure mailing is secure, whatever its composer was told."""
        # sudo: only whether the mailing is secure
        if self.mailing_id.sudo().secure_send and not self.secure_send:
            self.secure_send = True
        return super()._action_send_sms_mass(records=records)

    def _secure_begin(self):
        if not self._is_mass_sms():
            return super()._secure_begin()
        dispatch = self.env["secure.dispatch"]._begin_mailing(
            # sudo: the mailing that is being sent
            self.mailing_id.sudo(),
            subject=False,
            body=self.body,
            files=[],
        )
        self.sudo().secure_dispatch_id = dispatch
        return dispatch

    def _filter_out_and_handle_revoked_sms_values(self, sms_values_all):
        """Before Odoo's mailings take out what is not sent: the Outbox names it, too,
        and the traces of what we refuse say so."""
        if self._is_secure_mailing():
            sms_values_all = self._secure_sms_values(sms_values_all)
        return super()._filter_out_and_handle_revoked_sms_values(sms_values_all)

    def _secure_sms_values(self, values_all):
        if not self._is_secure_mailing():
            return super()._secure_sms_values(values_all)
        todo = {
            res_id: values
            for res_id, values in values_all.items()
            if "secure_link_id" not in values
        }
        if not todo:
            return values_all
        # sudo: nobody has access to the field; this send is the mailing's own
        self.sudo().secure_dispatch_id._forget_failures(todo)
        stops = {res_id: self._secure_take_stop(row) for res_id, row in todo.items()}
        super()._secure_sms_values(todo)
        for res_id, values in todo.items():
            values.setdefault("secure_link_id", False)
            if values["secure_link_id"]:
                values["body"] += stops[res_id]
                trace_of(values).update(
                    sms_number=values["number"],
                    secure_link_id=values["secure_link_id"],
                )
        return values_all

    def _secure_take_stop(self, values):
        """Take the way out, which Odoo has put under the text, out of the content: it
        belongs in the SMS itself."""
        code = trace_of(values).get("sms_code")
        url = self._get_unsubscribe_url(self.mailing_id.id, code)
        stop = f"\n{self._get_unsubscribe_info(url)}"
        if not values["body"].endswith(stop):
            return ""
        values["body"] = values["body"].removesuffix(stop)
        return stop

    def _secure_refusal(self, values, problem):
        refusal = super()._secure_refusal(values, problem)
        if self._is_secure_mailing():
            refuse_trace(values, problem)
        return refusal

    # -- who gets it -------------------------------------------------------------

    def _secure_rows(self, values_all):
        if not self._is_secure_mailing():
            return super()._secure_rows(values_all)
        problems = self._secure_find_partners(values_all)
        # sudo: the mailing that is being sent
        sender = self.mailing_id.sudo()._secure_sender_values()
        rows = super()._secure_rows(values_all)
        for row in rows:
            row.update(sender)
            row["problem"] = problems.get(row["res_id"]) or row["problem"]
        return rows

    def _secure_find_partners(self, values_all):
        """The contacts behind the numbers of targets that have none: found by their
        exact number, or made.

        :return: dict of the reason as text, by id of what cannot be sent to
        """
        lost = {
            res_id: values
            for res_id, values in values_all.items()
            if values["state"] == "outgoing" and not values["partner_id"]
        }
        if not lost:
            return {}
        found, refused = self._secure_partners_by_number(lost)
        problems, taken = {}, {row["partner_id"] for row in values_all.values()}
        taken |= self._secure_done_partners(partner.id for partner in found.values())
        for res_id, values in lost.items():
            partner = found.get(values["number"])
            if not partner:
                problems[res_id] = refused[values["number"]]
            elif partner.id in taken:
                values.update(state="canceled", failure_type="sms_duplicate")
                repeat_trace(values, "sms_duplicate")
            else:
                values["partner_id"] = partner.id
                taken.add(partner.id)
        return problems

    def _secure_partners_by_number(self, lost):
        road = self.env["secure.road"]
        names = {}
        for res_id, values in lost.items():
            names.setdefault(values["number"], res_id)
        known = road._contacts_by("phone_sanitized", names)
        unknown = [number for number in names if number not in known]
        if unknown and self.env["res.partner"].has_access("create"):
            records = self.env[self.res_model].browse(names.values())
            titles = {record.id: record.display_name for record in records}
            values_list = [
                {"name": titles[names[number]] or number, "phone": number}
                for number in unknown
            ]
            self.env["res.partner"].create(values_list)
        return road._find_numbers(list(names))
