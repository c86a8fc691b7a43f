"""The part of `make smoke` that sets PINs in a browser, and looks for what stays of
them there."""

from road import log_in

MANAGER = "mona"
LISTED_PIN = "739164820573"
TYPED_PIN = "528307419638"
STORED = """JSON.stringify([{...localStorage}, {...sessionStorage}, history.state,
    location.href, document.title, document.cookie, document.documentElement.outerHTML])
"""
SET_UP_MANAGER = f"""
names = ("base.group_user", "secure_messaging.group_manager")
env["res.users"].with_context(no_reset_password=True).create({{
    "name": "Mona Manager", "login": "{MANAGER}", "password": "{MANAGER}",
    "email": "mona@practice.example",
    "group_ids": [(4, env.ref(name).id) for name in names],
}})
"""
TOP = ".modal:not(.o_inactive_modal)"


class Pins:
    """Generated, imported, and typed for one message."""

    def __init__(self, smoke, check):
        """Belong to one walk, which searches all for these PINs at its end."""
        self.smoke = smoke
        self.stage = smoke.stage
        self.check = check
        smoke.tokens.extend((LISTED_PIN, TYPED_PIN))

    def walk(self):
        """By a manager, who may set many at once."""
        self.stage.odoo(SET_UP_MANAGER)
        with self.stage.browser() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            log_in(self.stage, page, MANAGER)
            self.generate(page)
            self.import_list(page)
            self.type(page)

    def check_gone(self, page, pin, when):
        """Neither storage, history, address nor page holds a PIN."""
        self.check(pin not in page.evaluate(STORED), f"the browser forgot it {when}")

    def generate(self, page):
        """Shown once, in a dialog, and nowhere else."""
        contact = self.smoke.people["contact"]
        page.goto(f"{self.stage.base_url}/odoo/res.partner/{contact}")
        page.click("button[name=action_secure_pin]:visible")
        page.click(f"{TOP} button[name=action_generate]")
        shown = page.wait_for_selector(".o_secure_pin_shown")
        pin = shown.get_attribute("aria-label")
        self.check(pin.isdigit() and len(pin) == 6, "a generated PIN is shown")
        page.click(f"{TOP} footer .btn-primary")
        page.wait_for_selector(".o_secure_pin_shown", state="detached")
        self.check_gone(page, pin, "when the dialog is closed")
        page.reload()
        page.wait_for_selector(".o_form_view")
        page.wait_for_selector(".o-mail-Message")
        self.check_gone(page, pin, "after a reload")

    def import_list(self, page):
        """From a file that is read in the browser; a mistake loses nothing."""
        page.goto(f"{self.stage.base_url}/odoo/secure-pins")
        page.click(".o_control_panel .btn-primary:visible")
        text = f"{TOP} .o_secure_pin_list"
        page.wait_for_selector(text)
        for email in ("nobody@client.example", "clara@client.example"):
            data = f"email;pin\n{email};{LISTED_PIN}\n".encode()
            file = {"name": "pins.csv", "mimeType": "text/csv", "buffer": data}
            page.set_input_files(f"{TOP} input[type=file]", file)
            page.wait_for_function(
                "([at, part]) => document.querySelector(at).value.includes(part)",
                arg=[text, email],
            )
            page.click(f"{TOP} button[name=action_import]")
            if email.startswith("nobody"):
                page.wait_for_selector(f"{TOP} >> text=Line 2: no contact is found")
                page.click(f"{TOP} footer .btn-primary")
                kept = page.input_value(text)
                self.check(LISTED_PIN in kept, "a mistake loses no list")
        page.wait_for_selector(".o_notification >> text=PINs set: 1")
        page.wait_for_selector(TOP, state="detached")
        self.check_gone(page, LISTED_PIN, "when the list was imported")

    def type(self, page):
        """For a message: once the form was saved, nobody gets it back."""
        contact = self.smoke.people["contact"]
        page.goto(f"{self.stage.base_url}/odoo/res.partner/{contact}")
        page.click("button[name=action_secure_compose]:visible")
        page.wait_for_selector(".o_secure_pin_line >> text=Contact's PIN")
        page.click(f"{TOP} .odoo-editor-editable")
        page.keyboard.type("x")
        page.fill(f"{TOP} .o_field_widget[name=pin] input", TYPED_PIN)
        page.keyboard.press("Tab")
        page.wait_for_selector(".o_secure_pin_line >> text=PIN of this conversation")
        page.click(f"{TOP} button[name=action_preview]:visible")
        page.click(f"{TOP} button[name=action_write]:visible")
        page.wait_for_selector(f"{TOP} >> text=A PIN was set for this message")
        self.check_gone(page, TYPED_PIN, "when the form was saved")
