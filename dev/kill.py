"""`make kill`: a worker of Odoo and PostgreSQL itself are killed during a send to many.

Nobody may be left out. Twice gets who would with stock Odoo: an email that was handed
to the mail server and not yet noted as sent when its process died is sent again, with
the very same link.
"""

import os
import re
import signal
import sys
from collections import Counter

import psutil
from ground.postgres import Cluster
from smoke import check, tell
from stage import Stage

RECIPIENTS = 2000
PATIENCE = 420  # seconds
KILL_WORKER_AT, KILL_POSTGRES_AT = 300, 900  # recipients sent to
KILL_AS_MAILS_LEAVE_AT = 500  # mails
# A killed process has at most one mail in its hands, as Odoo's queue commits after
# each; of three kills, each ends one process that empties the queue.
TWICE_AT_MOST = 3

PREPARE = """
staff = env.ref("base.user_admin")
env["res.company"].search([]).write(dict(
    email="office@kill.example", secure_messaging_enabled=True,
    secure_pin_required=False, secure_responsible_id=staff.id))
staff.email = "staff@kill.example"
contacts = env["res.partner"].create([
    dict(name=f"Client {n}", email=f"client{n}@kill.example") for n in range(%d)])
env.cr.commit()
dispatch = env["secure.dispatch"].with_user(staff)._plan(
    dict(origin="compose", channel="email", res_model="res.partner",
         subject="CANARYsubject", body="<p>CANARY <t t-out='object.name'/></p>"),
    [dict(partner=contact, res_id=contact.id) for contact in contacts])
dispatch._start()
result = dispatch.id
"""


class Kill:
    """One send, and what happens to it."""

    def __init__(self, stage):
        """Remember the stage."""
        self.stage = stage
        self.cluster = Cluster("kill")
        self.odoo = None

    def play(self):
        """The whole of it."""
        self.stage.odoo(PREPARE % RECIPIENTS)
        self.wait_for_sent(KILL_WORKER_AT)
        self.kill_workers()
        self.wait_for_sent(KILL_POSTGRES_AT)
        tell("PostgreSQL is killed")
        self.cluster.kill()
        self.stage.wait_for("the end of Odoo", self.odoo_is_gone, PATIENCE)
        tell("Odoo has ended, as it does without PostgreSQL; both are started again")
        self.cluster.start()
        self.odoo = self.stage.start_odoo()
        self.wait_for_sent(RECIPIENTS)
        self.wait_for_mails(KILL_AS_MAILS_LEAVE_AT)
        self.kill_workers()
        self.wait_for_mails(RECIPIENTS)
        done = "SELECT count(*) FROM mail_mail WHERE state = 'sent'"
        self.stage.wait_for(
            "the last one to be noted",
            lambda: int(self.stage.psql(done)) == RECIPIENTS,
            PATIENCE,
        )
        # What left although its worker died before it could say so is noted by a cron
        for _batch in range(3):
            self.stage.odoo("env['secure.link']._cron_settle()")
        self.look()

    def odoo_is_gone(self):
        """Whether Odoo's master process has ended."""
        try:
            master = psutil.Process(self.stage.odoo_pid)
            gone = master.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            gone = True
        return gone

    def end(self):
        """Stop the Odoo that was started here."""
        if self.odoo:
            os.killpg(self.odoo.pid, signal.SIGTERM)
            self.odoo.wait(30)

    def kill_workers(self):
        """Kill all workers at once; Odoo's master process starts new ones."""
        master = self.odoo.pid if self.odoo else self.stage.odoo_pid
        workers = psutil.Process(master).children()
        for worker in workers:
            os.kill(worker.pid, signal.SIGKILL)
        tell(f"{len(workers)} workers are killed")

    def wait_for_sent(self, count):
        """Wait until so many recipients have been dealt with."""
        self.stage.wait_for(
            f"{count} recipients", lambda: self.lines("sent") >= count, PATIENCE
        )
        tell(f"{self.lines('sent')} recipients, {len(self.recipients())} mails")

    def wait_for_mails(self, count):
        """Wait until so many contacts have got a mail."""
        self.stage.wait_for(
            f"{count} mails", lambda: len(self.recipients()) >= count, PATIENCE
        )
        tell(f"{len(self.recipients())} mails have left")

    def lines(self, state):
        """How many recipients are in a state."""
        sql = f"SELECT count(*) FROM secure_dispatch_line WHERE state = '{state}'"
        return int(self.stage.psql(sql))

    def recipients(self):
        """How many mails each contact got. Odoo's own digest may come between."""
        addresses = (to for row in self.stage.envelopes() for to in row["to"])
        return Counter(to for to in addresses if to.startswith("client"))

    def look(self):
        """What became of it."""
        got = self.recipients()
        check(len(got) == RECIPIENTS, f"{len(got)} contacts got a mail, none is lost")
        twice = {to: count for to, count in got.items() if count > 1}
        check(max(got.values()) <= 2, "nobody got more than two")
        check(
            len(twice) <= TWICE_AT_MOST,
            f"{len(twice)} got it twice, at most {TWICE_AT_MOST}",
        )
        for mails in self.mails_to(twice).values():
            check(len(set(mails)) == 1, "with the very same link")
        for table, where in (
            ("secure_thread", "true"),
            ("secure_link", "left_at IS NOT NULL"),
            ("mail_message", "secure_uid IS NOT NULL"),
            ("mail_mail", "state = 'sent' AND secure_link_id IS NOT NULL"),
            ("secure_dispatch_line", "state = 'sent'"),
        ):
            sql = f"SELECT count(*) FROM {table} WHERE {where}"
            found = int(self.stage.psql(sql))
            check(found == RECIPIENTS, f"{found} rows of {table}")
        state = self.stage.psql("SELECT state FROM secure_dispatch").strip()
        check(state == "sent", f"the Outbox says {state}")

    def mails_to(self, addresses):
        """The links in the mails to each of some addresses."""
        links = {address: [] for address in addresses}
        for mail in self.stage.mails():
            to = re.search(r"[\w.]+@kill\.example", mail["To"])[0]
            if to in links:
                text = mail.get_body(("plain",)).get_content()
                links[to].append(re.search(r"/sm/(\w+)", text)[1])
        return links


def main(stage):
    """Play it; the exit code tells."""
    kill = Kill(stage)
    try:
        kill.play()
    finally:
        kill.end()
    tell("Done.")
    return 0


if __name__ == "__main__":
    sys.exit(main(Stage.here()))
