"""The part of `make pictures` that shows “Send Securely” wherever it is."""

from road import log_in

DOCUMENT = {"default_res_model": "res.partner", "default_composition_mode": "comment"}
RECORDS = """
admin = env.ref("base.user_admin")
admin.write({{"name": "Ines Peeters", "group_ids": [(4, env.ref(name).id) for name in (
    "base.group_partner_manager", "secure_messaging.group_admin")]}})
model = env["ir.model"]._get("res.partner")
template = env["mail.template"].create({{
    "name": "Your results", "model_id": model.id, "send_securely": True,
    "subject": "Your results are in",
    "body_html": "<p>Dear <t t-out='object.name'/>,</p><p>your results are in.</p>"}})
action = env["ir.actions.server"].create({{
    "name": "Send the results", "model_id": model.id, "state": "mail_post",
    "template_id": template.id}})
result = {{"template": template.id, "action": action.id, "contact": {contact}}}
"""


class SwitchPictures:
    """In the chatter, the composers, on templates and actions, in the settings."""

    def __init__(self, pictures, contact):
        """Belong to one round of pictures, about one contact."""
        self.take = pictures.take
        self.stage = pictures.stage
        self.ids = self.stage.odoo(RECORDS.format(contact=contact))

    def all(self, page):
        """As an administrator, who may open all of these."""
        log_in(self.stage, page, "admin")
        self.chatter(page)
        self.sms(page)
        for name, path in (
            ("template", f"mail.template/{self.ids['template']}"),
            ("server-action", f"ir.actions.server/{self.ids['action']}"),
        ):
            self.go(page, path)
            page.wait_for_selector(".o_secure_switch.o_secure_on")
            self.take(page, name)
        self.settings(page)

    def go(self, page, path):
        """Open a screen of the back office."""
        page.goto(f"{self.stage.base_url}/odoo/{path}")
        page.wait_for_selector(".o_web_client")

    def chatter(self, page):
        """A message of a contact's chatter, and the same in the full composer."""
        self.go(page, f"res.partner/{self.ids['contact']}")
        page.click(".o-mail-Chatter-sendMessage")
        page.check(".o-mail-Composer .o_secure_switch input")
        page.fill(".o-mail-Composer-input", "Your results are in: please have a look.")
        self.take(page, "chatter")
        page.click(".o-mail-Composer button[name=open-full-composer]")
        page.click(".modal .o_secure_switch summary")
        self.take(page, "composer")
        page.click(".modal .modal-footer .btn[special=cancel], .modal .btn-close")

    def sms(self, page):
        """An SMS, which carries no files."""
        self.go(page, f"res.partner/{self.ids['contact']}")
        page.wait_for_selector(".o-mail-Chatter")
        context = {**DOCUMENT, "default_res_id": self.ids["contact"]}
        action = {
            "type": "ir.actions.act_window",
            "name": "Send SMS",
            "res_model": "sms.composer",
            "views": [[False, "form"]],
            "target": "new",
            "context": {**context, "default_secure_send": True},
        }
        run = "(it) => odoo.__WOWL_DEBUG__.root.env.services.action.doAction(it)"
        page.evaluate(run, action)
        page.wait_for_selector(".modal .o_secure_switch")
        page.fill(".modal textarea:visible", "Your results are in.")
        self.take(page, "sms-composer")

    def settings(self, page):
        """What switching off would stop, and when secure messaging fits."""
        self.go(page, "settings")
        page.click(".settings_tab [data-key=secure_messaging]")
        page.locator("#secure_messaging_enabled input[type=checkbox]").first.click()
        page.wait_for_selector(".alert >> text=These are marked")
        # Without the key's place on this machine, which is further down
        page.set_viewport_size({"width": 1560, "height": 500})
        self.take(page, "settings")
