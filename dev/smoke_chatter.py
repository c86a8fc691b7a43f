"""The part of `make smoke` that writes from a document's chatter, in a browser."""

from road import CANARIES, log_in, mail_text

WRITER = "rita"
DRAFTS = "Object.values(localStorage).filter((v) => v.includes('CANARY')).length"
LEAVE = "window.dispatchEvent(new Event('beforeunload'))"
SET_UP_WRITER = f"""
names = ("base.group_user", "base.group_partner_manager", "secure_messaging.group_user")
env["res.users"].with_context(no_reset_password=True).create({{
    "name": "Rita Writer", "login": "{WRITER}", "password": "{WRITER}",
    "email": "rita@practice.example",
    "group_ids": [(4, env.ref(name).id) for name in names],
}})
"""


class Chatter:
    """“Send Securely” on a contact's own chatter, and what the browser keeps of it."""

    def __init__(self, smoke, check):
        """Belong to one walk, whose links are remembered together."""
        self.smoke = smoke
        self.stage = smoke.stage
        self.check = check

    def walk(self):
        """By somebody who may write on contacts, and no more."""
        self.stage.odoo(SET_UP_WRITER)
        with self.stage.browser() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            log_in(self.stage, page, WRITER)
            contact = self.smoke.people["contact"]
            page.goto(f"{self.stage.base_url}/odoo/res.partner/{contact}")
            self.write(page)
            self.smoke.check_sealed("while it is written in the chatter")
            self.send(page)
            self.read(page)

    def write(self, page):
        """Turn the switch on after typing, and off and on as people do."""
        switch = ".o-mail-Composer .o_secure_switch input"
        page.click(".o-mail-Chatter-sendMessage")
        page.wait_for_selector(switch)
        self.check(not page.is_checked(switch), "the chatter's switch is off at first")
        page.fill(".o-mail-Composer-input", CANARIES["body"])
        page.evaluate(LEAVE)
        self.check(page.evaluate(DRAFTS) == 1, "Odoo keeps a draft in the browser")
        page.check(switch)
        page.wait_for_selector(".o-mail-Composer-send >> text=Send Securely")
        page.evaluate(LEAVE)
        self.check(page.evaluate(DRAFTS) == 0, "with the switch on there is none")
        page.set_input_files(
            ".o-mail-Composer input[type=file]",
            {
                "name": CANARIES["file name"],
                "mimeType": "text/plain",
                "buffer": CANARIES["file"].encode(),
            },
        )
        page.wait_for_selector(f".o-mail-Composer >> text={CANARIES['file name']}")
        page.wait_for_selector(".o-mail-Composer-send:enabled")

    def send(self, page):
        """One notification leaves, to the contact, and the choice ends with it."""
        before = len(self.stage.mails())
        page.click(".o-mail-Composer-send")
        page.wait_for_selector(".o-mail-Message >> text=Secure message to")
        mails = self.stage.wait_for("the mail", lambda: self.stage.mails()[before:])
        text = mail_text(mails[0])
        self.check(len(mails) == 1, "one email left, to the contact")
        self.check("clara@client.example" in mails[0]["To"], "at the address on file")
        self.check("CANARY" not in text, "without content")
        self.smoke.note_token(text)
        self.check(page.evaluate(DRAFTS) == 0, "nothing is left in the browser")
        page.click(".o-mail-Chatter-sendMessage")
        switch = page.wait_for_selector(".o-mail-Composer .o_secure_switch input")
        self.check(not switch.is_checked(), "the next message is a standard one again")

    def read(self, page):
        """The line leads to the conversation; so does the chatter's lock."""
        page.click(".o-mail-Message-body a[data-oe-model='secure.thread']")
        page.wait_for_selector(".o_form_view >> text=No subject")
        page.wait_for_selector(f".o-mail-Message >> text={CANARIES['body']}")
        page.wait_for_selector(".o-mail-Message .o_secure_lock")
        self.check(True, "the line in the chatter leads to the conversation")
        page.go_back()
        page.click(".o-mail-Chatter-topbar .o_secure_threads")
        page.wait_for_selector(f".o-mail-Message >> text={CANARIES['body']}")
        self.check(True, "so does the lock above it")
