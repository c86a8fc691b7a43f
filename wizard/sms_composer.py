from odoo import models


class SmsComposer(models.TransientModel):
    _name = "sms.composer"
    _inherit = ["sms.composer", "secure.closed.road"]
    _secure_model_field = "res_model"
