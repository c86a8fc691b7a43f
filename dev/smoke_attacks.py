"""The part of `make smoke` in which staff and client write scripts to each other, and a
slow sender tries to hold everybody up."""

import socket
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import requests
from road import PIN, STAFF, compose, log_in, mail_text, open_link, send

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from payloads import PAYLOADS  # noqa: E402

SHOWN = "SHOWNtext91"
MARKED = "WRITTENtext92"
WATCH = """
window.__violations = [];
document.addEventListener('securitypolicyviolation',
    (event) => window.__violations.push(event.violatedDirective));
"""
SLOW_SECONDS = 8
PATIENCE = 5
"""Seconds in which everybody else is served meanwhile."""


class Attacks:
    """Stored scripts in both directions."""

    def __init__(self, smoke, check):
        """Belong to one walk, whose links are remembered together."""
        self.smoke = smoke
        self.stage = smoke.stage
        self.check = check

    def walk(self):
        """From staff to the page, from the page to staff."""
        token = self.send_scripts()
        with self.stage.browser() as browser:
            page = self.watched(browser, width=390)
            open_link(page, f"{self.stage.base_url}/sm/{token}", PIN)
            page.wait_for_selector(f"text={SHOWN}")
            self.inert(page, "the page shows the scripts of staff as nothing")
            page.fill("textarea[name=body]", "\n".join([MARKED, *PAYLOADS]))
            page.click("#reply-form button:not([type=button])")
            page.wait_for_selector(f"#main >> text={MARKED}")
            self.inert(page, "and those of the client as words")
            self.check("<script>window" in page.inner_text("#main"), "all of them")
            office = self.watched(browser, width=1280)
            log_in(self.stage, office)
            office.goto(f"{self.stage.base_url}/odoo/secure.thread/{self.thread()}")
            office.wait_for_selector(f".o-mail-Message >> text={MARKED}")
            office.wait_for_selector(f".o-mail-Message >> text={SHOWN}")
            office.wait_for_timeout(1000)
            self.inert(office, "so does the back office", loads=("image",))
            text = office.inner_text(".o-mail-Thread")
            self.check("<script>window" in text, "where the client's are words, too")
        self.slow_sender()

    def send_scripts(self):
        """By somebody who knows how to go around the editor. Dynamic fields are refused
        to staff before anything else."""
        before = len(self.stage.mails())
        written = [one for one in PAYLOADS if "{{" not in one and "t-out" not in one]
        body = f"<p>{SHOWN}</p>" + "".join(f"<div>{one}</div>" for one in written)
        send(self.stage, compose(self.stage, self.smoke.people["contact"], body=body))
        mails = self.stage.wait_for("the mail", lambda: self.stage.mails()[before:])
        return self.smoke.note_token(mail_text(mails[0]))

    def thread(self):
        """The newest conversation."""
        return self.stage.call(
            "secure.thread", "search", [], order="id desc", limit=1, login=STAFF
        )[0]

    def watched(self, browser, width):
        """A page whose dialogs and requests to elsewhere are written down."""
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.add_init_script(WATCH)
        page.seen = []
        page.on("dialog", lambda dialog: (page.seen.append("dialog"), dialog.dismiss()))
        page.on("popup", lambda _popup: page.seen.append("popup"))
        page.on("request", lambda request: self.note(page, request))
        return page

    def note(self, page, request):
        """Write down a request to somebody else."""
        own = urlsplit(self.stage.base_url).netloc
        there = urlsplit(request.url)
        if there.netloc != own and there.scheme in ("http", "https", "ws", "wss"):
            page.seen.append((request.resource_type, request.url))

    def inert(self, page, what, loads=()):
        """Nothing ran, asked anybody else or was stopped only at the last moment."""
        page.wait_for_timeout(500)
        seen = [each for each in page.seen if each[0] not in loads]
        self.check(not seen, f"{what}: no dialog, no request to elsewhere {seen}")
        pwned = page.evaluate("window.__pwned")
        self.check(pwned is None, f"{what}: nothing ran")
        if not loads:
            stopped = page.evaluate("window.__violations")
            self.check(not stopped, f"{what}: nothing left to stop {stopped}")

    def slow_sender(self):
        """One who sends a byte now and then does not hold up the others. As many as
        there are workers would; a proxy in front collects what is sent slowly."""
        done = threading.Event()
        sender = threading.Thread(target=self.drip, args=(done,))
        sender.start()
        time.sleep(1)
        slowest = 0
        try:
            for _number in range(20):
                started = time.monotonic()
                answer = requests.get(f"{self.stage.base_url}/sm/x", timeout=60)
                slowest = max(slowest, time.monotonic() - started)
                self.check_quietly(answer.status_code == 404)
        finally:
            done.set()
            sender.join()
        served = slowest < PATIENCE
        self.check(served, f"beside a slow sender all are served ({slowest:.2f} s)")

    def check_quietly(self, condition):
        """Stop unless it holds; without a line for each."""
        if not condition:
            self.check(condition, "an answer of the page's own")

    def drip(self, done):
        """Send a form, a byte a second."""
        there = urlsplit(self.stage.base_url)
        with closing(socket.create_connection((there.hostname, there.port))) as slow:
            slow.sendall(
                b"POST /sm/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
            )
            end = time.monotonic() + SLOW_SECONDS
            while not done.is_set() and time.monotonic() < end:
                try:
                    slow.sendall(b"x")
                except OSError:
                    return
                done.wait(1)
