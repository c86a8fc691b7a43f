"""`make lockout`: 200 wrong PINs at once, at a real server with two workers.

They come from one network address, then from many. How many were compared stands in
the log of the conversation: a row for each. Then the workers are killed, and Odoo is
stopped and started: what is locked stays locked.
"""

import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import requests
from requests.adapters import HTTPAdapter
from road import PIN, WRONG_PIN, token_in
from smoke import check, tell
from stage import Stage

TRIES = 200
ADDRESSES = 50
"""Of the loopback network: the server tells them apart."""
AT_ONCE = 25
PER_ADDRESS, PER_LINK = 5, 20
"""What tools/pin_policy.py says."""

PREPARE = """
staff = env.ref("base.user_admin")
env.company.write(dict(email="office@lockout.example",
    secure_messaging_enabled=True, secure_responsible_id=staff.id))
staff.email = "staff@lockout.example"
contact = env["res.partner"].create(dict(name="Clara", email="clara@lockout.example"))
env["secure.pin"]._set(contact, "{pin}")
for name in ("one address", "many addresses"):
    env["secure.thread"].with_user(staff)._send([dict(
        partner=contact, company=env.company, subject=name, body="<p>text</p>")])
"""
COMPARED = """
SELECT count(*) FROM secure_access_log WHERE kind = 'pin_refused' AND link_id = %d
"""


class From(HTTPAdapter):
    """Connections that come from one address."""

    def __init__(self, address):
        """Remember the address."""
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **kwargs):
        """As the library does, from the address."""
        kwargs["source_address"] = (self.address, 0)
        super().init_poolmanager(*args, **kwargs)


class Lockout:
    """Two links of one contact, and who tries to guess the PIN."""

    def __init__(self, stage):
        """Remember the stage."""
        self.stage = stage
        self.odoo = None

    def play(self):
        """The whole of it."""
        self.stage.odoo(PREPARE.format(pin=PIN))
        self.stage.wait_for("two emails", lambda: len(self.tokens()) == 2)
        one, many = self.tokens()
        self.guess(one, ["127.0.0.1"], PER_ADDRESS)
        self.guess(many, self.addresses(), PER_LINK)
        check(self.enter(one, "127.0.0.1", PIN) == 429, "the right PIN is refused")
        check(self.enter(one, "127.0.2.1", PIN) == 303, "and accepted from elsewhere")
        check(self.enter(many, "127.0.2.1", PIN) == 429, "but no locked link")
        workers = psutil.Process(self.stage.odoo_pid).children()
        for worker in workers:
            os.kill(worker.pid, signal.SIGKILL)
        tell(f"{len(workers)} workers are killed")
        self.look_after(one, many)
        psutil.Process(self.stage.odoo_pid).terminate()
        self.stage.wait_for("the end of Odoo", self.is_gone)
        self.odoo = self.stage.start_odoo()
        tell("Odoo is stopped and started again")
        self.look_after(one, many)

    def tokens(self):
        """Of the links that have left."""
        mails = [mail for mail in self.stage.mails() if "clara@" in mail["To"]]
        return [token_in(mail.get_body(("plain",)).get_content()) for mail in mails]

    def addresses(self):
        """Where the guesses come from."""
        return [f"127.0.1.{number}" for number in range(1, ADDRESSES + 1)]

    def guess(self, token, addresses, allowed):
        """Send wrong PINs as fast as it goes, and count what became of them."""
        started = time.monotonic()
        sources = [addresses[n % len(addresses)] for n in range(TRIES)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(
                pool.map(lambda source: self.enter(token, source, WRONG_PIN), sources)
            )
        seconds = time.monotonic() - started
        sql = f"SELECT id FROM secure_link WHERE public_id = '{token[:11]}'"
        link_id = int(self.stage.psql(sql))
        compared = int(self.stage.psql(COMPARED % link_id))
        tell(f"{TRIES} wrong PINs from {len(addresses)} addresses in {seconds:.1f} s")
        check(compared == allowed, f"{compared} were compared, {allowed} are allowed")
        check(set(answers) <= {403, 429}, f"answers: {sorted(set(answers))}")
        sql = f"SELECT total FROM secure_attempt WHERE kind='link' AND key='{link_id}'"
        check(int(self.stage.psql(sql)) == allowed, "and each of them was counted")

    def look_after(self, one, many):
        """What holds after any restart."""
        self.stage.wait_for("Odoo", self.answers)
        check(self.enter(one, "127.0.0.1", PIN) == 429, "the address is still locked")
        check(self.enter(many, "127.0.2.2", PIN) == 429, "the link is still locked")

    def answers(self):
        """Whether Odoo serves."""
        try:
            return requests.get(f"{self.stage.base_url}/web/health", timeout=5).ok
        except requests.RequestException:
            return False

    def is_gone(self):
        """Whether Odoo's master process has ended."""
        try:
            master = psutil.Process(self.stage.odoo_pid)
            return master.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    def enter(self, token, source, pin):
        """Type a PIN at a gate, from an address; again if a busy worker hung up.

        :return: the answer's status
        """
        for _try in range(5):
            with suppress(requests.ConnectionError):
                return self.enter_once(token, source, pin)
        return self.enter_once(token, source, pin)

    def enter_once(self, token, source, pin):
        """The same, without patience."""
        with requests.Session() as session:
            session.mount("http://", From(source))
            # A worker serves one connection at a time
            session.headers["Connection"] = "close"
            gate = f"{self.stage.base_url}/sm/{token}"
            page = session.get(gate, timeout=60).text
            form_token = re.search(r'name="form_token" value="(\w+)"', page)[1]
            data = {"form_token": form_token, "pin": pin}
            answer = session.post(gate, data=data, timeout=60, allow_redirects=False)
            return answer.status_code

    def end(self):
        """Stop the Odoo that was started here."""
        if self.odoo:
            os.killpg(self.odoo.pid, signal.SIGTERM)
            self.odoo.wait(30)


def main(stage):
    """Play it; the exit code tells."""
    lockout = Lockout(stage)
    try:
        lockout.play()
    finally:
        lockout.end()
    tell("Done.")
    return 0


if __name__ == "__main__":
    sys.exit(main(Stage.here()))
