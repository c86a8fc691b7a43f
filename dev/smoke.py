"""`make smoke`: the whole road without hands. Exit code 0 means it works.

Each step prints what was seen; the first that fails ends it with exit code 1.
"""

import base64
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import requests
from road import (
    CANARIES,
    MESSAGE_PIN,
    PIN,
    SET_UP,
    STAFF,
    WRONG_PIN,
    compose,
    log_in,
    mail_text,
    open_link,
    send,
    token_in,
)
from smoke_attacks import Attacks
from smoke_chatter import Chatter
from smoke_pins import Pins
from stage import Stage


class Smoke:
    """One walk along the road."""

    def __init__(self, stage):
        """Begin with nothing sent and nobody there."""
        self.stage = stage
        self.tokens = []
        self.people = None

    def walk(self):
        """All steps, in order."""
        self.set_up()
        self.send_email()
        self.send_sms()
        self.read_and_answer()
        self.answer_is_in_the_back_office()
        self.renew()
        Attacks(self, check).walk()
        # From here on this network address is locked
        self.parallel_wrong_pins()
        self.killed_after_smtp()
        Chatter(self, check).walk()
        # Last: it gives the contact another PIN
        Pins(self, check).walk()
        self.nothing_in_the_clear()
        self.no_warning()

    # -- steps -----------------------------------------------------------------

    def set_up(self):
        """A member of staff with the least rights, a contact with a PIN."""
        self.people = self.stage.odoo(SET_UP)
        form = {"partner_id": self.people["contact"], "pin": PIN}
        self.stage.call(
            "secure.pin.wizard", "web_save", [], form, {"pin": {}}, login=STAFF
        )
        tell("a contact has a PIN, set on the contact form by a user")

    def send_email(self):
        """Compose with a file, and look at what left."""
        file_id = self.upload(CANARIES["file name"], CANARIES["file"])
        form = compose(
            self.stage, self.people["contact"], attachment_ids=[(4, file_id)]
        )
        self.check_sealed("while the form is open")
        send(self.stage, form)
        [mail] = self.stage.wait_for("the email", self.stage.mails)
        [envelope] = self.stage.envelopes()
        check(
            envelope["to"] == ["clara@client.example"], "the email went to the contact"
        )
        text = mail_text(mail)
        check(no_canary(text), "it holds neither content nor subject nor file")
        self.email_token = self.note_token(text)
        tell(f"email received: {mail['Subject']!r}, {len(text)} characters, one link")

    def send_sms(self):
        """A message with a PIN of its own, told by SMS."""
        form = compose(
            self.stage, self.people["contact"], channel="sms", pin=MESSAGE_PIN
        )
        send(self.stage, form)
        [sms] = self.stage.wait_for("the SMS", self.stage.sms)
        check(sms["number"] == "+32470123456", "the SMS went to the contact's number")
        check(no_canary(sms["content"]), "it holds no content")
        check(len(sms["content"]) <= 160, "it fits one part")
        self.sms_token = self.note_token(sms["content"])
        check(len(self.stage.mails()) == 1, "and no second email left")
        tell(f"SMS received: {sms['content'].replace(self.sms_token, '...')!r}")

    def read_and_answer(self):
        """In Chromium, on a phone's screen."""
        with self.stage.browser() as browser:
            page = browser.new_page(viewport={"width": 390, "height": 844})
            open_link(page, self.url(self.email_token), WRONG_PIN)
            check(CANARIES["body"] not in page.content(), "a wrong PIN is refused")
            open_link(page, self.url(self.email_token), PIN)
            check(CANARIES["body"] in page.content(), "the right PIN opens")
            check(CANARIES["subject"] in page.content(), "the subject is on the page")
            check(self.email_token not in page.url, "the address shows no token")
            with page.expect_download() as download:
                page.click(f"text={CANARIES['file name']}")
            data = download.value.path().read_text()
            check(data == CANARIES["file"], "the file is downloaded in clear")
            page.fill("textarea[name=body]", CANARIES["reply"])
            page.set_input_files(
                "input[name=files]",
                {
                    "name": CANARIES["reply file name"],
                    "mimeType": "text/plain",
                    "buffer": CANARIES["reply file"].encode(),
                },
            )
            page.click("#reply-form button:not([type=button])")
            page.wait_for_selector(f"text={CANARIES['reply file name']}")
            check(CANARIES["reply"] in page.content(), "the answer is on the page")
            open_link(page, self.url(self.sms_token), PIN)
            check(CANARIES["body"] not in page.content(), "the SMS' own PIN is asked")
            open_link(page, self.url(self.sms_token), MESSAGE_PIN)
            check(CANARIES["body"] in page.content(), "the SMS' link opens with it")

    def answer_is_in_the_back_office(self):
        """Staff see it in the web client, in clear, and were told without content."""
        [thread] = self.stage.call(
            "secure.thread",
            "search_read",
            [("staff_unread_count", ">", 0)],
            ["name", "subject", "responsible_id"],
            login=STAFF,
        )
        check(thread["subject"] == CANARIES["subject"], "the conversation is unread")
        with self.stage.browser() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            log_in(self.stage, page)
            page.goto(f"{self.stage.base_url}/odoo/secure.thread/{thread['id']}")
            page.wait_for_selector(f"text={CANARIES['reply']}")
            page.wait_for_selector(f"text={CANARIES['reply file name']}")
            self.stage.wait_for("the mark of having been read", self.nothing_unread)
        tell(f"the answer and its file are in the back office, in {thread['name']}")

    def nothing_unread(self):
        """Whether staff have opened all that contacts answered."""
        unread = [("staff_unread_count", ">", 0)]
        return not self.stage.call("secure.thread", "search_count", unread, login=STAFF)

    def renew(self):
        """An expired link asks for a new one; it goes to the address on file."""
        before = len(self.stage.mails())
        self.stage.psql(
            "UPDATE secure_link SET expires_at = now() AT TIME ZONE 'UTC'"
            " - interval '1s' WHERE channel = 'email'"
        )
        with self.stage.browser() as browser:
            page = browser.new_page()
            page.goto(self.url(self.email_token))
            page.click("main form button")
            page.wait_for_load_state()
            mails = self.stage.wait_for(
                "the renewed link", lambda: self.stage.mails()[before:]
            )
            check(len(mails) == 1, "exactly one new email left")
            text = mail_text(mails[0])
            check("clara@client.example" in mails[0]["To"], "to the address on file")
            check(no_canary(text), "without content")
            new_token = self.note_token(text)
            page.goto(self.url(self.email_token))
            check("newer" in page.content(), "the old link says a newer one was sent")
            open_link(page, self.url(new_token), PIN)
            check(CANARIES["reply"] in page.content(), "the new link opens")
        self.email_token = new_token

    def parallel_wrong_pins(self):
        """20 at once over two workers: each counted, and no more than the limit
        compared."""
        url = self.url(self.sms_token)
        session = requests.Session()
        gate = session.get(url, timeout=30).text
        form_token = (
            gate.split('name="form_token"')[1].split('value="')[1].split('"')[0]
        )
        data = {"form_token": form_token, "pin": WRONG_PIN}

        def attempt(_number):
            cookies = session.cookies.get_dict()
            answer = requests.post(url, data=data, cookies=cookies, timeout=60)
            if answer.status_code not in (403, 429):
                tell(answer.text)
            return answer.status_code

        with ThreadPoolExecutor(20) as pool:
            answers = sorted(pool.map(attempt, range(20)))
        # One wrong PIN came from this address before, in read_and_answer; success
        # cleared it. The fifth wrong one is told that it locks.
        check(answers.count(403) == 4, f"4 refused, the rest locked: {answers}")
        check(answers.count(429) == 16, "no error among them")
        counted = self.stage.psql(
            "SELECT max(window_count) FROM secure_attempt WHERE kind = 'address'"
        ).strip()
        check(counted == "5", f"five were counted (found {counted})")

    def killed_after_smtp(self):
        """A worker dies between SMTP and commit: the link that left works, and
        nothing is sent twice that Odoo alone would not send twice."""
        before = len(self.stage.mails())
        ids = self.stage.odoo(KILL_PREPARE)
        died = False
        try:
            self.stage.odoo(KILL_SEND.format(ids=ids))
        except AssertionError:
            died = True
        check(died, "the sending process died")
        left = self.stage.mails()[before:]
        check(len(left) == 2, "both mails, a secure and a plain one, had left")
        lost = self.note_token("".join(mail_text(mail) for mail in left))
        self.stage.odoo(f"env['mail.mail'].browse({ids}).send()")
        again = self.stage.mails()[before + 2 :]
        check(len(again) == 2, "both were sent again, as Odoo does")
        same = token_in("".join(mail_text(mail) for mail in again))
        check(same == lost, "the secure one with the very same link")
        answer = requests.get(self.url(lost), timeout=30)
        check(answer.status_code == 200, "which works")

    def nothing_in_the_clear(self):
        """A stolen dump and filestore show nothing."""
        self.check_sealed("after all that")

    def no_warning(self):
        """Nor is there a token in Odoo's log, or a warning of this module."""
        log = self.stage.odoo_log.read_text()
        check(not any(token in log for token in self.tokens), "no token in Odoo's log")
        lines = [
            line
            for line in log.splitlines()
            if OURS.search(line) and any(f" {level} " in line for level in LEVELS)
        ]
        lines = [line for line in lines if "PIN check: LOCKED" not in line]
        check(not lines, "no warning of the module in Odoo's log" + "\n".join(lines))

    # -- helpers ---------------------------------------------------------------

    def url(self, token):
        """The address a token stands in."""
        return f"{self.stage.base_url}/sm/{token}"

    def note_token(self, text):
        """The token in a text, remembered to be looked for later."""
        token = token_in(text)
        check(token, "there is a link")
        check(self.stage.base_url + "/sm/" in text, "on the configured address")
        self.tokens.append(token)
        return token

    def upload(self, name, text):
        """Upload a file in the compose form, as the web client does."""
        return self.stage.upload("secure.compose", name, text.encode(), login=STAFF)

    def check_sealed(self, when):
        """Search a whole dump and the filestore for everything that is secret."""
        needles = [*CANARIES.values(), MESSAGE_PIN, PIN, *self.tokens]
        dump = self.stage.pg_dump()
        files = {path: path.read_bytes() for path in self.stage.stored_files()}
        for needle in needles:
            for form in disguises(needle):
                check_quietly(form not in dump, f"{needle} stands in the dump, {when}")
                hits = [path for path, data in files.items() if form in data]
                check_quietly(not hits, f"{needle} stands in {hits}, {when}")
        tell(
            f"{when}: {len(needles)} secrets searched in a dump of "
            f"{len(dump) >> 20} MB and {len(files)} files: none found"
        )


OURS = re.compile(r" odoo\.addons\.secure_messaging|\bsecure\.\w+|/sm/")
LEVELS = ("WARNING", "ERROR", "CRITICAL")

KILL_PREPARE = f"""
staff = env["res.users"].search([("login", "=", "{STAFF}")])
contact = env["res.partner"].search([("email", "=", "clara@client.example")])
threads = env["secure.thread"].with_user(staff)
env.cr.postcommit.clear()
[sent] = threads._send([dict(partner=contact, company=env.company, body="x")])
env.cr.postcommit.clear()
plain = env["mail.mail"].create(dict(
    subject="plain", body_html="<p>plain</p>", email_to="clara@client.example"))
result = [*sent.message.sudo().mail_ids.ids, plain.id]
"""

KILL_SEND = """
import os
from odoo.addons.mail.models.mail_mail import MailMail
count = []
stock = MailMail._postprocess_sent_message
def die(self, *args, **kwargs):
    count.append(self.id)
    stock(self, *args, **kwargs)
    if len(count) == 2:
        os._exit(9)
MailMail._postprocess_sent_message = die
env["mail.mail"].browse({ids}).send()
"""


def disguises(needle):
    """A secret as such, in hex as a dump shows bytes, and in base64."""
    data = needle.encode()
    encoded = [base64.b64encode(b"\0" * offset + data) for offset in range(3)]
    middles = [text[4:-4] for text in encoded if len(text) >= 16]
    return [data, data.hex().encode(), *middles]


def no_canary(text):
    """Whether a text holds no marked content at all."""
    return not any(canary in text for canary in CANARIES.values())


def check(condition, what):
    """Say what was seen, or stop."""
    check_quietly(condition, what)
    tell(what)


def check_quietly(condition, what):
    """Stop unless it holds."""
    if not condition:
        print(f"    NOT SO: {what}", flush=True)
        sys.exit(1)


def tell(what):
    """One line of the transcript."""
    print(f"    {what}", flush=True)


if __name__ == "__main__":
    Smoke(Stage.here()).walk()
