from odoo import fields, models


class SmsTemplate(models.Model):
    _name = "sms.template"
    _inherit = ["sms.template", "secure.consent.choice"]

    send_securely = fields.Boolean(
        default=lambda self: self.env["res.company"]._secure_new_default(),
        help="Contacts get an SMS with a link; the text is read behind it. Whatever "
        "sends this template does so.",
    )
