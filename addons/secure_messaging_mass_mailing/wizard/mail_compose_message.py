"""Secure mailings by email: content into conversations, notifications with traces."""

from lxml import html
from markupsafe import Markup

from odoo import api, models
from odoo.tools.mail import email_normalize, formataddr

from odoo.addons.secure_messaging.tools import content

from ..models.mail_mail import UNSUBSCRIBE_PATH
from ..models.mailing_trace import refuse_trace, repeat_trace, trace_of

WEB_VERSION_PATH = "/view"
"""What Odoo's designs have in the place of the web version's address."""
UNSUBSCRIBE = Markup(
    '<p style="max-width: 560px; margin: 0 auto; padding: 0 16px; font-family: '
    'sans-serif; font-size: 13px;"><a href="%s" style="color: #52606d;">%s</a></p>'
)


class MailComposeMessage(models.TransientModel):
    _inherit = "mail.compose.message"

    @api.model_create_multi
    def create(self, vals_list):
        """A mailing is secure or standard as it says, whatever the company's default
        is. Said here, as a context could not make it standard."""
        ids = {vals.get("mass_mailing_id") for vals in vals_list} - {None, False}
        # sudo: only which mailings are secure
        mailings = self.env["mailing.mailing"].sudo().browse(ids)
        secure = {mailing.id: mailing.secure_send for mailing in mailings}
        return super().create(
            [
                {"secure_send": secure[vals["mass_mailing_id"]], **vals}
                if vals.get("mass_mailing_id")
                else vals
                for vals in vals_list
            ]
        )

    def _is_secure_mailing(self):
        return bool(self.secure_send and self._is_mass_mailing())

    def _action_send_mail_mass_mail(self, res_ids, auto_commit=False):
        """A secure mailing is secure, whatever its composer was told."""
        # sudo: only whether the mailing is secure
        if self.mass_mailing_id.sudo().secure_send and not self.secure_send:
            self.secure_send = True
        return super()._action_send_mail_mass_mail(res_ids, auto_commit=auto_commit)

    def _secure_leaves_after(self, auto_commit):
        """Mailings commit by themselves."""
        return not self.mass_mailing_id and super()._secure_leaves_after(auto_commit)

    def _prepare_mailing_values(self):
        """The mailing that Odoo makes of a composer, for statistics: without what was
        typed, where that is to be secure."""
        values = super()._prepare_mailing_values()
        if self.secure_send:
            values.update(
                subject=self.mass_mailing_name, body_html=False, attachment_ids=False
            )
        return {
            **values,
            "secure_send": self.secure_send,
            "ask_consent": self.ask_consent,
        }

    def _secure_begin(self):
        if not self._is_mass_mailing():
            return super()._secure_begin()
        # sudo: nobody has access to the field; read is the mailing that is being sent
        self.sudo().secure_dispatch_id = self.env["secure.dispatch"]._begin_mailing(
            self.mass_mailing_id.sudo(),
            subject=self.subject,
            body=self.body,
            files=self._secure_taken_files(),
        )
        return None

    # -- who gets it -------------------------------------------------------------

    def _process_mail_values_state(self, mail_values_dict):
        """Two contacts who share an address are two recipients; one contact, once."""
        values_all = super()._process_mail_values_state(mail_values_dict)
        if self._is_secure_mailing():
            self._secure_keep_apart(values_all)
        return values_all

    def _secure_keep_apart(self, values_all):
        ids = {
            res_id: set(content.ids_of_commands(values.get("recipient_ids")))
            for res_id, values in values_all.items()
        }
        repeated = [
            res_id
            for res_id, values in values_all.items()
            if values.get("failure_type") == "mail_dup" and ids[res_id]
        ]
        if not repeated:
            return
        done = self._secure_done_partners(set().union(*ids.values()))
        for res_id, values in values_all.items():
            if not values.get("state"):
                done |= ids[res_id]
        for res_id in repeated:
            if not ids[res_id] & done:
                del values_all[res_id]["state"], values_all[res_id]["failure_type"]
                done |= ids[res_id]

    def _secure_done_partners(self, ids):
        """Which contacts have this mailing already, or another of its A/B test."""
        # sudo: the mailing that is being sent
        mailing = self.mass_mailing_id.sudo()
        siblings = mailing._get_ab_testing_siblings_mailings()
        tested = mailing.ab_testing_enabled and siblings or mailing
        if not all(tested.mapped("secure_send")):
            # Who has the standard version is known by address only
            return set(ids)
        lines = self.env["secure.dispatch.line"].sudo()
        return set(
            lines.search(
                [
                    ("dispatch_id.mailing_id", "in", (mailing | tested).ids),
                    ("partner_id", "in", list(ids)),
                    ("state", "=", "sent"),
                ]
            ).partner_id.ids
        )

    # -- what becomes of it ------------------------------------------------------

    def _manage_mail_values(self, mail_values_all):
        """Before Odoo's mailings take out what is not sent: the Outbox names it, too,
        and the traces of what we refuse say so."""
        if self._is_secure_mailing():
            mail_values_all = self._secure_mail_values(mail_values_all)
        return super()._manage_mail_values(mail_values_all)

    def _secure_mail_values(self, values_all):
        if not self._is_secure_mailing():
            return super()._secure_mail_values(values_all)
        todo = {
            res_id: values
            for res_id, values in values_all.items()
            if "secure_link_id" not in values
        }
        if todo:
            # sudo: nobody has access to the field; this send is the mailing's own
            self.sudo().secure_dispatch_id._forget_failures(todo)
            super()._secure_mail_values(todo)
        for values in todo.values():
            if values["secure_link_id"]:
                trace_of(values).update(
                    message_id=values["message_id"],
                    secure_link_id=values["secure_link_id"],
                )
        return values_all

    def _secure_rows(self, values_all):
        if self._is_secure_mailing():
            self._secure_name_targets(values_all)
        rows = super()._secure_rows(values_all)
        if self._is_secure_mailing():
            # sudo: the mailing that is being sent
            sender = self.mass_mailing_id.sudo()._secure_sender_values()
            for row in rows:
                row.update(sender)
            self._secure_note_repeated(values_all, rows)
        return rows

    def _secure_name_targets(self, values_all):
        """Who is made a contact gets the name that the mailing's target knows."""
        lost = {
            res_id: email_normalize(values.get("email_to"))
            for res_id, values in values_all.items()
            if values.get("email_to") and not values.get("state")
        }
        targets = self.env[self.model].browse(lost)
        listed = self.model == "mailing.contact"
        known = {} if listed else targets._get_customer_information()
        for target in targets:
            email = lost[target.id]
            name = target.name if listed else known.get(email, {}).get("name")
            if email and name:
                values_all[target.id]["email_to"] = formataddr((name, email))

    def _secure_note_repeated(self, values_all, rows):
        """Targets that are no contacts themselves, and turn out to be the same one."""
        seen = set()
        for row in rows:
            values = values_all[row["res_id"]]
            if row.get("problem") or values.get("recipient_ids"):
                continue
            if row["partner"] in seen:
                row["problem"] = self.env._("%s has it already.", row["partner"].name)
                values.update(state="cancel", failure_type="mail_dup")
                repeat_trace(values, "mail_dup")
            seen.add(row["partner"])

    def _secure_refusal(self, values, problem):
        refusal = super()._secure_refusal(values, problem)
        if not self._is_secure_mailing():
            return refusal
        if not values.get("state"):
            refuse_trace(values, problem)
        return {**refusal, "secure_link_id": False}

    def _generate_mail_notification_values(self, mails):
        """Odoo's mailings have traces instead; the message in the conversation learns
        all the same what becomes of its mail."""
        rows = super()._generate_mail_notification_values(mails)
        if rows or not self._is_secure_mailing():
            return rows
        return self._secure_notification_rows(mails)

    # -- texts -------------------------------------------------------------------

    def _secure_content(self, values):
        """The mailing as Odoo would have sent it, for the page: its unsubscribe links
        work, and those to the web version, which there is none of, are gone."""
        if not self._is_secure_mailing():
            return super()._secure_content(values)
        if not values.get("body_html"):
            return ""
        # sudo: the mailing that is being sent
        mailing = self.mass_mailing_id.sudo()
        body = html.document_fromstring(str(values["body_html"])).find("body")
        for anchor in body.xpath(".//a[@href]"):
            href = anchor.get("href").removeprefix(mailing.get_base_url())
            if href == WEB_VERSION_PATH:
                anchor.drop_tree()
            elif href == UNSUBSCRIBE_PATH:
                email = trace_of(values).get("email") or ""
                email = email_normalize(email, strict=False) or email
                anchor.set(
                    "href", mailing._get_unsubscribe_url(email, values["res_id"])
                )
        return Markup(html.tostring(body, encoding="unicode"))

    def _secure_notification(self, row, done):
        """With Odoo's mark for the way out, whose address it puts in as the mail
        leaves."""
        values = super()._secure_notification(row, done)
        if not self._is_secure_mailing():
            return values
        # sudo: the language only
        partner = row["partner"].sudo()
        text = self.with_context(lang=partner.lang).env._("Unsubscribe")
        # sudo: the mailing that is being sent
        url = self.mass_mailing_id.sudo().get_base_url() + UNSUBSCRIBE_PATH
        body = values["body_html"] + UNSUBSCRIBE % (url, text)
        # Kept as a line on the document, and purged in bulk like all notifications
        return {**values, "body_html": body, "is_notification": True}
