"""`make pictures`: the screens of the documentation, taken from the running product."""

from io import BytesIO

from pictures_arabic import ArabicPictures
from pictures_outbox import OutboxPictures
from pictures_switch import SwitchPictures
from PIL import Image
from road import PIN, SET_UP, STAFF, log_in, open_link, token_in
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
APPOINTMENTS = """
from datetime import datetime, time, timedelta
clara, staff = env["res.partner"].browse({contact}), env["res.users"].browse({staff})
other = env["res.partner"].create(
    dict(name="Maximilian von Hohenstein-Oberndorf zu Rabenfels"))
template = env.ref("secure_messaging.mail_template_appointment_reminder")
alarm = env["calendar.alarm"].create(dict(
    name="Email, one day before", alarm_type="email", duration=1, interval="days",
    mail_template_id=template.id))
quiet = env["calendar.event"].with_user(staff).with_context(no_mail_to_attendees=True)
day = datetime.combine(datetime.now().date(), time(9)) + timedelta(days=1)
hour = timedelta(hours=1)
events = quiet.create([dict(
    name=name, start=day + hours * hour, stop=day + (hours + 1) * hour,
    location="Room 2", user_id=staff.id, partner_ids=[(6, 0, partners.ids)])
    for name, hours, partners in (
        ("Consultation", 0, clara | staff.partner_id),
        ("Talk about the findings", 2, clara | other | staff.partner_id),
        ("Staff meeting", 5, staff.partner_id))])
for event in events[:2]:
    attendees = event.with_context(no_mail_to_attendees=False).attendee_ids
    attendees._notify_attendees(template.with_user(staff))
result = dict(event=events[1].id, alarm=alarm.id)
"""


class Pictures:
    """Takes and keeps them."""

    def __init__(self, stage):
        """Send one message, whose link the screens show."""
        self.stage = stage
        self.folder = stage.checkout / "docs" / "pictures"
        self.folder.mkdir(parents=True, exist_ok=True)
        people = stage.odoo(SET_UP)
        self.contact, self.people = people["contact"], people
        stage.odoo(PREPARE.format(body=BODY, pin=PIN, **people))
        [mail] = stage.wait_for("the email", self.mails_to_contact)
        self.about = stage.odoo(APPOINTMENTS.format(**people))
        text = mail.get_body(("plain",)).get_content()
        self.link = f"{stage.base_url}/sm/{token_in(text)}"

    def mails_to_contact(self):
        """What the contact got; Odoo may send its digest about now, too."""
        return [mail for mail in self.stage.mails() if "clara@" in mail["To"]]

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
            desk = browser.new_page(viewport=DESK)
            self.staff(desk)
            self.appointments(desk)
            self.mailings(browser.new_context(viewport=DESK).new_page())
            switch = SwitchPictures(self, self.contact)
            switch.all(browser.new_context(viewport=DESK).new_page())
            outbox = OutboxPictures(self, self.people)
            outbox.all(
                browser.new_context(viewport=DESK).new_page(),
                browser.new_context(viewport=PHONE).new_page(),
            )
            self.closed(browser)
            ArabicPictures(self, self.contact).all(
                browser.new_context(viewport=DESK).new_page(),
                browser.new_context(viewport=PHONE).new_page(),
            )

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
        log_in(self.stage, page)
        thread = self.stage.call(
            "secure.thread", "search", [("res_id", "=", False)], login=STAFF
        )[0]
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

    def appointments(self, page):
        """Appointments with their numbers, one of them, and a reminder's form."""
        base = f"{self.stage.base_url}/odoo"
        page.goto(f"{base}/calendar")
        page.wait_for_selector(".o_calendar_view")
        page.click(".o_switch_view.o_list")
        page.wait_for_selector("text=Talk about the findings")
        boxes = page.locator(".o_list_view tbody .o_list_record_selector input")
        for number in (1, 2):
            boxes.nth(number).check()
        self.take(page, "appointments")
        page.goto(f"{base}/calendar.event/{self.about['event']}")
        page.click(".o_notebook >> text=Secure Messages")
        self.take(page, "appointment")
        page.goto(f"{base}/calendar.alarm/{self.about['alarm']}")
        page.wait_for_selector(".o_field_widget[name=secure_send]")
        self.take(page, "reminder")

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
            page.wait_for_timeout(3000)
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
