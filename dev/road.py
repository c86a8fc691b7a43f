"""The people, the marked texts and the steps of the road from compose to answer,
shared by smoke.py, bench.py and pictures.py."""

import re

CANARIES = {
    "subject": "CANARYsubject81",
    "body": "CANARYbody82",
    "file": "CANARYfile83",
    "file name": "CANARYname84.txt",
    "reply": "CANARYreply85",
    "reply file": "CANARYreplyfile86",
    "reply file name": "CANARYreplyname87.txt",
}
PIN = "839174205613"
MESSAGE_PIN = "274916380527"
WRONG_PIN = "839174205614"
STAFF = "sam"
TOKEN = re.compile(r"/sm/([0-9A-Za-z]{33})\b")

SET_UP = f"""
company = env.company
company.write({{"email": "office@practice.example", "phone": "+32 2 555 01 23"}})
groups = "base.group_user,secure_messaging.group_user"
group_ids = [(4, env.ref(name).id) for name in groups.split(",")]
staff = env["res.users"].with_context(no_reset_password=True).create({{
    "name": "Sam Staff", "login": "{STAFF}", "password": "{STAFF}",
    "email": "sam@practice.example", "group_ids": group_ids,
    "company_id": company.id, "company_ids": [(6, 0, company.ids)],
}})
contact = env["res.partner"].create({{
    "name": "Clara Client", "email": "clara@client.example",
    "phone": "+32 470 12 34 56", "country_id": env.ref("base.be").id,
}})
company.write({{"secure_responsible_id": staff.id, "secure_messaging_enabled": True}})
result = {{"contact": contact.id, "staff": staff.id}}
"""


def token_in(text):
    """The token in a mail or SMS; None when there is none."""
    found = TOKEN.search(text)
    return found and found[1]


def mail_text(mail):
    """All parts of a mail, decoded, and its headers."""
    parts = [part.get_content() for part in mail.walk() if not part.is_multipart()]
    texts = [part if isinstance(part, str) else repr(part) for part in parts]
    return "\n".join([str(mail.items()), *texts])


def compose(stage, contact_id, **values):
    """Send from the compose form, as the web client does, with the staff's rights.

    :return: id of the form's row
    """
    form = {
        "partner_ids": [(6, 0, [contact_id])],
        "subject": CANARIES["subject"],
        "body": f"<p>{CANARIES['body']}</p>",
        **values,
    }
    [saved] = stage.call(
        "secure.compose", "web_save", [], form, {"subject": {}, "body": {}}, login=STAFF
    )
    return saved["id"]


def send(stage, form_id):
    """Press the form's button."""
    return stage.call("secure.compose", "action_send", [form_id], login=STAFF)


def open_link(page, address, pin):
    """Open a link in a browser and enter the PIN."""
    page.goto(address)
    page.fill("input[name=pin]", pin)
    page.click("main form button")
    page.wait_for_load_state()


def log_in(stage, page, login=STAFF):
    """Log in to the back office; the password is the login."""
    page.goto(f"{stage.base_url}/web/login")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", login)
    page.click("button[type=submit]")
    page.wait_for_selector(".o_web_client")
