"""`make pictures`: the screens of the documentation, taken from the running product."""

from io import BytesIO

from PIL import Image
from road import PIN, SET_UP, STAFF, open_link, token_in
from stage import Stage

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1560, "height": 900}
COLOURS = 128
"""Enough for screens; a third of the size."""
BODY = """
<p>Dear Clara,</p><p>your results are in, and <b>all values are within the normal
range</b>. The report is attached.</p><p>Would Thursday after 16:00 suit you to talk
about the next steps?</p>
"""
MAILINGS = (
    ("mailing", "mass_mailing.mailing_mailing_action_mail", "subject"),
    ("mailing-sms", "mass_mailing_sms.mailing_mailing_action_sms", "sms_subject"),
)
PREPARE = """
contact = env["res.partner"].browse({contact})
contact.name = "Clara Janssens"
staff = env["res.users"].browse({staff})
staff.name = "Dr. Ines Peeters"
env.company.name = "Practice Peeters"
env["secure.pin"]._set(contact, "{pin}")
threads = env["secure.thread"].with_user(staff)
threads._send([dict(
    partner=contact, company=env.company, subject="Your laboratory results",
    body='''{body}''', attachments=[("report 14 November.pdf", b"%PDF-1.4 report")])])
"""


class Pictures:
    """Takes and keeps them."""

    def __init__(self, stage):
        """Send one message, whose link the screens show."""
        self.stage = stage
        self.folder = stage.checkout / "docs" / "pictures"
        self.folder.mkdir(parents=True, exist_ok=True)
        people = stage.odoo(SET_UP)
        stage.odoo(PREPARE.format(body=BODY, pin=PIN, **people))
        [mail] = stage.wait_for("the email", stage.mails)
        text = mail.get_body(("plain",)).get_content()
        self.link = f"{stage.base_url}/sm/{token_in(text)}"

    def take(self, page, name, whole=False):
        """One picture of what a page shows now, or of the whole page."""
        page.wait_for_timeout(700)
        image = Image.open(BytesIO(page.screenshot(full_page=whole))).convert("RGB")
        image = image.quantize(COLOURS)
        image.save(self.folder / f"{name}.png", optimize=True)
        print(f"    docs/pictures/{name}.png", flush=True)

    def all(self):
        """Page first: the answer given there is in the back office's picture."""
        with self.stage.browser() as browser:
            self.client(browser.new_page(viewport=PHONE))
            self.staff(browser.new_page(viewport=DESK))
            self.mailings(browser.new_page(viewport=DESK))
            self.closed(browser)

    def client(self, page):
        """Gate and conversation, on a phone."""
        page.goto(self.link)
        self.take(page, "gate")
        open_link(page, self.link, PIN)
        page.fill("textarea[name=body]", "Thank you! Thursday at half past four?")
        page.click("#reply-form button:not([type=button])")
        page.wait_for_load_state()
        self.take(page, "conversation", whole=True)

    def staff(self, page):
        """Conversations, one of them, and the compose form."""
        page.goto(f"{self.stage.base_url}/web/login")
        page.fill("input[name=login]", STAFF)
        page.fill("input[name=password]", STAFF)
        page.click("button[type=submit]")
        page.wait_for_selector(".o_web_client")
        [thread] = self.stage.call("secure.thread", "search", [], login=STAFF)
        page.goto(f"{self.stage.base_url}/odoo/secure-messaging/{thread}")
        page.wait_for_selector("text=half past four")
        self.take(page, "back-office")
        page.goto(f"{self.stage.base_url}/odoo/secure-messaging")
        page.get_by_role("button", name="New Message").first.click()
        page.wait_for_selector(".modal .o_field_widget[name=partner_ids] input")
        page.fill(".modal .o_field_widget[name=partner_ids] input", "Clara")
        page.click(".o-autocomplete--dropdown-item >> text=Clara Janssens")
        page.fill(".modal .o_field_widget[name=subject] input", "Your next appointment")
        self.take(page, "compose")

    def mailings(self, page):
        """The switch on a mailing, by email and by SMS."""
        page.goto(f"{self.stage.base_url}/web/login")
        page.fill("input[name=login]", "admin")
        page.fill("input[name=password]", "admin")
        page.click("button[type=submit]")
        page.wait_for_selector(".o_web_client")
        for name, action, field in MAILINGS:
            page.goto(f"{self.stage.base_url}/odoo/action-{action}/new")
            page.wait_for_selector(".o_field_widget[name=secure_send]")
            page.fill(f".o_field_widget[name={field}] input", "Results of the checks")
            page.click(".o_field_widget[name=secure_send] input")
            page.wait_for_selector("[name=secure_send_details] .badge")
            page.wait_for_load_state("networkidle")
            self.take(page, name)

    def closed(self, browser):
        """What a locked and an expired link show."""
        page = browser.new_page(viewport=PHONE)
        for _try in range(5):
            open_link(page, self.link, "111222")
        self.take(page, "locked")
        self.stage.psql(
            "UPDATE secure_link SET expires_at = expires_at - interval '2d'"
        )
        page.goto(self.link)
        self.take(page, "expired")


if __name__ == "__main__":
    Pictures(Stage.here()).all()
