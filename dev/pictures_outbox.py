"""`make pictures`: Compose from writing to sending, and the Outbox."""

from road import PIN, log_in

PEOPLE = """
env["secure.pin"]._set(env.company, "{pin}")
env["res.partner"].create(dict(name="Otto Maes", email="otto@client.example"))
"""
OUTBOX = """
from datetime import datetime, timedelta
people = env["res.partner"].create([dict(
    name=name, email=email) for name, email in (
    ("Ada Peters", "ada@client.example"), ("Ben Maes", "ben@client.example"),
    ("Carla Wouters", False), ("Dirk De Smet", "dirk@client.example"))])
many = env["res.partner"].create([dict(
    name=f"Patient {{n}}", email=f"p{{n}}@client.example") for n in range(60)])
sends = env["secure.dispatch"].with_user({staff})
values = dict(origin="compose", channel="email", company_id=env.company.id,
    subject="Your annual check-up",
    body="<p>Dear <t t-out='object.name'/>,</p><p>your check-up is due.</p>")
failed = sends._plan(values, [dict(partner=one) for one in people])
failed._start()
running = sends._plan(dict(values, subject="New opening hours"),
    [dict(partner=one) for one in many])
running._run_chunk(25)
tomorrow = datetime.now().replace(microsecond=0) + timedelta(days=1)
later = sends._plan(dict(values, subject="Before your operation", pin="{pin}",
    files=[("instructions.pdf", b"%PDF-1.4 x")]),
    [dict(partner=one) for one in people], tomorrow)
result = dict(failed=failed.id, running=running.id, scheduled=later.id)
"""


class OutboxPictures:
    """Taken beside the others, with the same people."""

    def __init__(self, pictures, people):
        """Sends are made by :meth:`all`."""
        self.stage = pictures.stage
        self.take = pictures.take
        self.people = people
        self.sends = {}

    def all(self, desk, phone):
        """At a desk, then on a phone."""
        self.stage.odoo(PEOPLE.format(pin=PIN))
        log_in(self.stage, desk)
        self.compose(desk)
        self.outbox(desk)
        log_in(self.stage, phone)
        self.phone(phone)

    def open_compose(self, page):
        """An empty form."""
        page.goto(f"{self.stage.base_url}/odoo/secure-outbox")
        page.get_by_role("button", name="New Message").first.click()
        page.wait_for_selector(".modal .o_field_widget[name=partner_ids] input")

    def compose(self, page):
        """A message to two contacts: preview, confirmation, what is said after."""
        self.open_compose(page)
        for name in ("Clara Janssens", "Otto Maes"):
            page.fill(".modal .o_field_widget[name=partner_ids] input", name)
            page.click(f".o-autocomplete--dropdown-item >> text={name}")
        page.fill(".modal .o_field_widget[name=subject] input", "Your next appointment")
        page.click(".modal .odoo-editor-editable")
        page.keyboard.type("Please bring your referral.")
        page.click(".modal footer button[name=action_preview]:visible")
        page.wait_for_selector(".modal iframe.o_secure_preview:visible")
        self.take(page, "compose-preview")
        page.click(".modal footer button[name=action_confirm]:visible")
        page.wait_for_selector(".modal [name=confirm]:visible")
        self.take(page, "compose-confirm")
        page.click(".modal footer button[name=action_send]:visible")
        page.wait_for_selector(".o_notification")
        self.take(page, "compose-sent")

    def outbox(self, page):
        """The list of sends, one that runs and one that failed for some."""
        self.sends = self.stage.odoo(OUTBOX.format(pin=PIN, **self.people))
        page.goto(f"{self.stage.base_url}/odoo/secure-outbox")
        page.wait_for_selector("text=New opening hours")
        self.take(page, "outbox")
        for name in self.sends:
            self.open_send(page, name)
            self.take(page, f"outbox-{name}")

    def open_send(self, page, name):
        """The form of one of them."""
        page.goto(f"{self.stage.base_url}/odoo/secure-outbox/{self.sends[name]}")
        page.wait_for_selector(".o_form_view .o_field_widget[name=line_ids]")

    def phone(self, page):
        """The Outbox and the compose form on a phone."""
        page.goto(f"{self.stage.base_url}/odoo/secure-outbox")
        page.wait_for_selector(".o_kanban_record:not(.o_kanban_ghost)")
        self.take(page, "outbox-phone")
        self.open_send(page, "failed")
        self.take(page, "outbox-failed-phone", whole=True)
        self.open_compose(page)
        self.take(page, "compose-phone")
