"""`make pictures`: what a user of a language written from right to left sees."""

from road import log_in

LOGIN = "admin"
LANGUAGE = "ar_001"
PHRASE = "نتائجك جاهزة، وكل القيم ضمن المعدل الطبيعي."
SUBJECT = "موعدك القادم"


class ArabicPictures:
    """The module's own words are English in them as long as nobody translates them."""

    def __init__(self, pictures, contact):
        """Install the language. Take these last: a second language shows in forms."""
        self.stage = pictures.stage
        self.take = pictures.take
        self.contact = contact
        self.install()

    def install(self):
        """As in Odoo's settings, by a running server, so that all its workers know."""
        call = self.stage.call
        known = [("code", "=", LANGUAGE)]
        ids = call("res.lang", "search", known, context={"active_test": False})
        [form] = call("base.language.install", "create", [{"lang_ids": [(6, 0, ids)]}])
        call("base.language.install", "lang_install", [form])
        user = call("res.users", "search", [("login", "=", LOGIN)])
        call("res.users", "write", user, {"lang": LANGUAGE})

    def all(self, desk, phone):
        """At a desk, then on a phone."""
        self.chatter(desk)
        self.compose(phone)

    def open(self, page, path):
        """Open a screen, and see that it is mirrored."""
        log_in(self.stage, page, LOGIN)
        page.goto(f"{self.stage.base_url}/odoo/{path}")
        page.wait_for_selector(".o_web_client")
        direction = page.evaluate("getComputedStyle(document.body).direction")
        if direction != "rtl":
            raise AssertionError("Odoo's style sheets are not mirrored")

    def chatter(self, page):
        """A secure message in a contact's chatter."""
        self.open(page, f"res.partner/{self.contact}")
        page.click(".o-mail-Chatter-sendMessage")
        page.check(".o-mail-Composer .o_secure_switch input")
        page.fill(".o-mail-Composer-input", PHRASE)
        self.take(page, "arabic-chatter")

    def compose(self, page):
        """The compose form."""
        self.open(page, "secure-outbox")
        page.click(".o_control_panel .btn-primary:visible")
        page.wait_for_selector(".modal .o_field_widget[name=partner_ids] input")
        page.fill(".modal .o_field_widget[name=subject] input", SUBJECT)
        page.click(".modal .odoo-editor-editable")
        page.keyboard.type(PHRASE)
        self.take(page, "arabic-compose-phone")
