"""What the back office shows of a conversation, beside its own fields."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from .secure_thread import PIN_RULES


class SecureThreadScreen(models.Model):
    _inherit = "secure.thread"

    current_pin_rule = fields.Selection(
        PIN_RULES, "PIN", compute="_compute_current_pin_rule"
    )
    is_locked = fields.Boolean("Locked", compute="_compute_is_locked")
    has_links = fields.Boolean("Has Links to Withdraw", compute="_compute_has_links")
    document_name = fields.Char("About", compute="_compute_document_name")

    key_problem = fields.Char(compute="_compute_key_problem")

    def _compute_key_problem(self):
        """Why nothing can be read or sent now, told on the form; else empty."""
        self.key_problem = self.env["secure.keyring"]._status()["problem"]

    def _compute_current_pin_rule(self):
        for thread in self:
            thread.current_pin_rule = thread._effective_rule()

    def _compute_is_locked(self):
        """Whether wrong PINs have locked the contact or a link, which staff can end. A
        network address opens again by itself, and for nobody sooner."""
        for thread in self:
            # sudo: told is only whether they are locked, to who reads the conversation
            links = thread.sudo().link_ids
            attempts = self.env["secure.attempt"]
            thread.is_locked = attempts._staff_can_unlock(thread.partner_id, links)

    @api.depends("link_ids.revoked_at")
    def _compute_has_links(self):
        for thread in self:
            thread.has_links = any(not link.revoked_at for link in thread.link_ids)

    @api.depends("res_model", "res_id")
    @api.depends_context("uid", "lang")
    def _compute_document_name(self):
        for thread in self:
            document = thread._readable_document()
            thread.document_name = document.display_name if document else False

    def _readable_document(self):
        """What the conversation is about, if the current user may see it.

        :return: one record, or None; the contact's own record counts as none
        """
        self.ensure_one()
        if self.res_model not in self.env or self.res_model == "res.partner":
            return None
        document = self.env[self.res_model].browse(self.res_id).exists()
        return document if document and document.has_access("read") else None

    @api.model
    def _domain_about(self, res_model, res_id):
        """Conversations about a document; with a contact, whatever they are about."""
        if res_model == "res.partner":
            return [("partner_id", "=", res_id)]
        return [("res_model", "=", res_model), ("res_id", "=", res_id)]

    # -- buttons -----------------------------------------------------------------

    @api.model
    def action_open_about(self, res_model, res_id):
        """Go to the conversations about a document that one may read."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "secure_messaging.secure_thread_action"
        )
        about = self._domain_about(res_model, res_id)
        threads = self.search(about, limit=2)
        if len(threads) == 1:
            return threads.get_formview_action()
        return {**action, "domain": about, "context": {}}

    def action_open_document(self):
        """Go to what the conversation is about."""
        document = self._readable_document()
        if not document:
            raise UserError(self.env._("This document is gone, or not yours to read."))
        return document.get_formview_action()

    def action_mark_read(self):
        """Note that who answers for the conversations has opened them."""
        self.check_access("read")
        user = self.env.user
        self.filtered(
            lambda thread: not thread.responsible_id
            or user in thread.responsible_id | thread.participant_ids
        )._mark_read_by_staff()
