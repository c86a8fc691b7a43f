import psycopg2

from odoo import api, fields, models
from odoo.exceptions import AccessError, ConcurrencyError
from odoo.tools import SQL

from ..tools import network

AGREED, DECLINED, WITHDRAWN = "agreed", "declined", "withdrawn"
OUTCOMES = [
    (AGREED, "Agreed"),
    (DECLINED, "Declined"),
    (WITHDRAWN, "Withdrawn"),
]
LOG_KINDS = {
    AGREED: "consent_given",
    DECLINED: "consent_declined",
    WITHDRAWN: "consent_withdrawn",
}


class SecureConsent(models.Model):
    """What a contact answered to a company's consent text. Rows are only ever added;
    of each contact and company the last one counts.

    Evidence: the contact cannot be deleted while it is kept. It outlives the
    conversation it was given in.
    """

    _name = "secure.consent"
    _description = "Consent"
    _order = "id desc"
    _rec_name = "partner_id"

    date = fields.Datetime(required=True, readonly=True, index=True)
    outcome = fields.Selection(OUTCOMES, "Answer", required=True, readonly=True)
    partner_id = fields.Many2one(
        "res.partner", "Contact", required=True, readonly=True, ondelete="restrict"
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, ondelete="restrict"
    )
    text_id = fields.Many2one(
        "secure.consent.text",
        "Version",
        required=True,
        readonly=True,
        ondelete="restrict",
        index=True,
    )
    lang = fields.Char("Language", readonly=True, help="The text was shown in it.")
    text = fields.Text(compute="_compute_text")
    thread_id = fields.Many2one(
        "secure.thread",
        "Conversation",
        readonly=True,
        ondelete="set null",
        index="btree_not_null",
    )
    thread_name = fields.Char("Reference", readonly=True)
    link_id = fields.Many2one(
        "secure.link", readonly=True, ondelete="set null", index="btree_not_null"
    )
    network = fields.Char(readonly=True, help="Network of the visitor, masked.")
    is_last = fields.Boolean(
        "Counts Now", compute="_compute_is_last", search="_search_is_last"
    )
    contact_number = fields.Integer(required=True, groups=fields.NO_ACCESS)
    follows_id = fields.Integer(required=True, groups=fields.NO_ACCESS)

    # By the numbers as they were, which merging contacts does not touch: Odoo deletes
    # rows that clash when contacts are merged
    _follows_unique = models.UniqueIndex("(company_id, contact_number, follows_id)")
    _last_index = models.Index("(partner_id, company_id, id DESC)")

    # -- what counts -------------------------------------------------------------

    @api.model
    def _last_of(self, partners, companies):
        """The answer that counts, of each of these contacts to each company.

        :return: dict by (contact id, company id), as superuser
        """
        # sudo: for the page, whose visitor has no rights, and for staff to be told
        # of contacts they write to
        groups = self.sudo()._read_group(
            [("partner_id", "in", partners.ids), ("company_id", "in", companies.ids)],
            ["partner_id", "company_id"],
            ["id:max"],
        )
        answers = self.sudo().browse(last for _partner, _company, last in groups)
        return {
            (partner.id, company.id): answer
            for (partner, company, _last), answer in zip(groups, answers, strict=True)
        }

    @api.model
    def _last_for(self, partner, company):
        """The answer of one contact that counts; empty without any."""
        domain = [("partner_id", "=", partner.id), ("company_id", "=", company.id)]
        # sudo: as in `_last_of`
        return self.sudo().search(domain, limit=1)

    @api.depends("text_id", "lang")
    def _compute_text(self):
        """The very text that was answered."""
        for row in self:
            row.text = row.text_id._texts().get(row.lang)

    def _compute_is_last(self):
        last = self.search([("id", "in", self.ids), ("is_last", "=", True)])
        for row in self:
            row.is_last = row in last

    @api.model
    def _search_is_last(self, operator, value):
        if operator != "in" or set(value) != {True}:
            return NotImplemented
        last = SQL(
            """(SELECT id FROM (
                SELECT DISTINCT ON (partner_id, company_id) id
                  FROM secure_consent
                 ORDER BY partner_id, company_id, id DESC) AS newest)"""
        )
        return [("id", "in", last)]

    # -- answering ---------------------------------------------------------------

    @api.model
    def _record(self, grant, outcome, version, remote_addr):
        """Write down what the holder of a grant answers. The only way rows come to be.

        :param outcome: a key of ``OUTCOMES``
        :param version: the ``secure.consent.text`` that was before their eyes
        :return: the row; empty when it would say the same again (a double click)
        :raise ConcurrencyError: when the contact answers twice at once
        """
        thread, link = grant.thread_id, grant.link_id
        last = self._last_for(thread.partner_id, thread.company_id)
        if (last.outcome, last.text_id) == (outcome, version):
            return self.browse()
        version._note_answered()
        values = {
            "date": fields.Datetime.now(),
            "outcome": outcome,
            "partner_id": thread.partner_id.id,
            "company_id": thread.company_id.id,
            "text_id": version.id,
            "lang": version._spoken(),
            "thread_id": thread.id,
            "thread_name": thread.name,
            "link_id": link.id,
            "network": network.masked(remote_addr),
            "contact_number": thread.partner_id.id,
            "follows_id": last.id or 0,
        }
        try:
            # sudo: for the holder of a grant, checked by the controller
            row = super(SecureConsent, self.sudo()).create([values])
        except psycopg2.errors.UniqueViolation as clash:
            raise ConcurrencyError("the contact is just answering") from clash
        self.env["secure.access.log"]._log(
            LOG_KINDS[outcome],
            link,
            remote_addr,
            detail=f"v{version.number} {row.lang}",
        )
        if outcome != AGREED:
            thread._remind_responsible(LOG_KINDS[outcome])
        return row

    # -- kept as it was ------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):  # pylint: disable=method-required-super
        raise AccessError(self.env._("Only the contact can answer, on the page."))

    def write(self, vals):  # pylint: disable=method-required-super
        raise AccessError(self.env._("What a contact answered cannot be changed."))

    def copy(self, default=None):  # pylint: disable=method-required-super
        raise AccessError(self.env._("Only the contact can answer, on the page."))

    @api.ondelete(at_uninstall=True)
    def _unlink_never(self):
        raise AccessError(self.env._("What a contact answered cannot be deleted."))

    def action_open_thread(self):
        """Go to the conversation it was answered in."""
        self.ensure_one()
        return self.thread_id.get_formview_action()
