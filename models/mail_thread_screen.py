"""What the chatter of any document shows of secure messaging."""

from odoo import models

REQUEST = "secure_messaging"


class MailThreadScreen(models.AbstractModel):
    _inherit = "mail.thread"

    def _thread_to_store(self, store, fields, *, request_list=None):
        super()._thread_to_store(store, fields, request_list=request_list)
        asked = REQUEST in (request_list or []) and self._name != "secure.thread"
        if not asked or not self.env.user._is_internal():
            return
        for document in self:
            store.add(document, document._secure_facts(), as_thread=True)

    def _secure_facts(self):
        """Whether the document's company sends securely, and how many conversations
        about the document the current user may read."""
        # sudo: the company decides, whoever may read which of its fields
        own = self.sudo().company_id if "company_id" in self._fields else None
        company = own or self.env.company
        facts = {"secure_sending": company._secure_sending_facts()}
        if self.env.user.has_group("secure_messaging.group_user"):
            threads = self.env["secure.thread"].sudo(False)
            about = threads._domain_about(self._name, self.id)
            facts["secure_thread_count"] = threads.search_count(about)
        return facts
