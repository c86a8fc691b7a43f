"""Settings: the keys, their backup, and the change from one to the next."""

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import formatLang

BACKUP_PARAMETER = "secure_messaging.key_backup_done"
"""Fingerprint of the key that somebody says is backed up: a new key asks again."""
MAY_ROTATE = ("base.group_system", "secure_messaging.group_admin")


class ResConfigSettingsKeys(models.TransientModel):
    _inherit = "res.config.settings"

    secure_key_backup_done = fields.Boolean("The key is backed up")
    secure_key_exposed = fields.Char(compute="_compute_secure_key_exposed")
    secure_key_progress = fields.Char(compute="_compute_secure_key_rotation")
    secure_key_removable = fields.Char(compute="_compute_secure_key_rotation")
    secure_key_removable_links = fields.Integer(compute="_compute_secure_key_rotation")

    @api.model
    def get_values(self):
        """The backup counts for the key it was confirmed for."""
        primary = self.env["secure.keyring"]._status()["primary"]
        # sudo: told is only whether the key was confirmed, not which one it is
        confirmed = self.env["ir.config_parameter"].sudo().get_param(BACKUP_PARAMETER)
        done = bool(primary) and confirmed == primary
        return {**super().get_values(), "secure_key_backup_done": done}

    def set_values(self):
        """Note which key is backed up; while it is missing, nothing of it changes."""
        if not self.env.is_admin():
            # A client can call this; only `execute` of Odoo's asks
            raise AccessError(self.env._("Only administrators may do this."))
        result = super().set_values()
        primary = self.env["secure.keyring"]._status()["primary"]
        if primary:
            # sudo: who may change settings was checked above
            self.env["ir.config_parameter"].sudo().set_param(
                BACKUP_PARAMETER, self.secure_key_backup_done and primary
            )
        return result

    def _compute_secure_key_exposed(self):
        self.secure_key_exposed = self.env["secure.keyring"]._exposed_to()

    def _compute_secure_key_rotation(self):
        keyring = self.env["secure.keyring"]
        locked = keyring._status()["problem"]
        # sudo: counts of rows and links, nothing of what they hold
        status = {} if locked else keyring.sudo()._rotation_status()
        for settings in self:
            settings.secure_key_progress = self._secure_progress_text(status)
            settings.secure_key_removable = ", ".join(status.get("removable", ()))
            settings.secure_key_removable_links = status.get("links", 0)

    def _secure_progress_text(self, status):
        if not status.get("due"):
            return False
        done, whole = status["done"], status["whole"]
        if done == whole:
            return self.env._("All is sealed; waiting for work that began before")
        return self.env._(
            "%(done)s of %(whole)s sealed with the new key",
            done=formatLang(self.env, done, digits=0),
            whole=formatLang(self.env, whole, digits=0),
        )

    def action_secure_reseal(self):
        """Start the job now instead of within the hour."""
        if not any(self.env.user.has_group(group) for group in MAY_ROTATE):
            raise AccessError(self.env._("Only administrators may do this."))
        # sudo: jobs are for system administrators; who may start this was checked
        self.env.ref("secure_messaging.ir_cron_rotate").sudo()._trigger()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "message": self.env._(
                    "Everything is being sealed with the new key. This page shows how "
                    "far it is."
                ),
                "type": "info",
            },
        }
