"""`make restore`: a backup is put back on another server, with its key and without.

Sends a message with a file, dumps the database, copies filestore and key file to other
places, and starts a second Odoo on them. What was sent must open there with its link
and PIN, also after the command has put a new key before the old one; without the old
one the link counts as expired. Without any key file nothing may be read or sent, and
no new key be made.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request

import requests
from ground.server import free_port
from road import (
    CANARIES,
    PIN,
    SET_UP,
    STAFF,
    compose,
    mail_text,
    send,
    token_in,
)
from smoke import check, tell
from stage import Stage

KEY_FILE = "secure_messaging.key"
FORM = re.compile(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')
FINGERPRINTS = (
    "SELECT value FROM ir_config_parameter "
    "WHERE key = 'secure_messaging.key_fingerprints'"
)


class Restored:
    """A second server: its own database, data directory and Odoo."""

    def __init__(self, stage, name):
        """Choose where it all goes."""
        self.stage = stage
        self.database = f"{stage.database}_{name}"
        self.folder = stage.run_folder / name
        self.data_dir = self.folder / "data"
        self.log = self.folder / "odoo.log"
        self.port = free_port()
        self.process = None

    @property
    def key_file(self):
        """Where the key belongs."""
        return self.data_dir / KEY_FILE

    def restore(self, dump):
        """Database, filestore and key file, as docs/keys.md says."""
        self.drop()
        subprocess.check_call(["createdb", self.database])
        subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.database],
            input=dump,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        files = self.data_dir / "filestore" / self.database
        files.parent.mkdir(parents=True)
        shutil.copytree(self.stage.filestore, files)
        shutil.copy2(self.stage.data_dir / KEY_FILE, self.key_file)

    def drop(self):
        """Remove what an earlier drill left."""
        command = ["dropdb", "--force", "--if-exists", self.database]
        subprocess.check_call(command, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        """Start Odoo on it, and wait until it answers."""
        config = self.folder / "odoo.conf"
        own = {
            "data_dir": self.data_dir,
            "db_name": self.database,
            "dbfilter": f"^{self.database}$",
            "gevent_port": free_port(),
            "http_port": self.port,
            "logfile": self.log,
            "max_cron_threads": 0,
            "workers": 0,
        }
        lines = (self.stage.run_folder / "odoo.conf").read_text().splitlines()
        kept = [line for line in lines if line.split(" = ")[0] not in own]
        config.write_text(
            "\n".join([*kept, *(f"{name} = {value}" for name, value in own.items())])
        )
        with open(self.folder / "odoo.out", "ab") as output:
            self.process = subprocess.Popen(
                [*self.stage.odoo_command, "-c", str(config)],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.stage.wait_for("the second Odoo", self.answers)

    def rotate(self):
        """Run the command, as an administrator does."""
        command = [*self.stage.odoo_command, "secure_messaging_rotate", "--new-key"]
        subprocess.run(
            [*command, "-d", self.database],
            env=os.environ | {"ODOO_RC": str(self.folder / "odoo.conf")},
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def answers(self):
        """Whether it is up."""
        if self.process.poll() is not None:
            raise AssertionError(f"Odoo ended by itself; see {self.folder}")
        try:
            urllib.request.urlopen(f"{self.url}/web/health", timeout=5).close()
        except OSError:
            return False
        return True

    def stop(self):
        """End the Odoo started here."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    @property
    def url(self):
        """The address of the second Odoo."""
        return f"http://127.0.0.1:{self.port}"

    def psql(self, sql):
        """Run SQL in its database, return the output."""
        command = ["psql", "-X", "-At", "-d", self.database, "-c", sql]
        return subprocess.check_output(command, text=True).strip()

    def open(self, token):
        """A browser without scripts: the link, then the PIN.

        :return: (session, last answer)
        """
        session = requests.Session()
        gate = session.get(f"{self.url}/sm/{token}", timeout=30)
        if gate.status_code != 200:
            return session, gate
        action, inner = FORM.search(gate.text).groups()
        fields = dict(HIDDEN.findall(inner)) | {"pin": PIN}
        return session, session.post(self.url + action, data=fields, timeout=60)


class Drill:
    """The whole of it."""

    def __init__(self, stage):
        """Nothing is sent yet."""
        self.stage = stage
        self.restored = Restored(stage, "restored")

    def play(self):
        """Send, back up, restore, read; then once more without the key."""
        token = self.send()
        dump = self.stage.pg_dump()
        tell(f"dumped {len(dump) // 1024:,} kB, without stopping anything")
        self.restored.restore(dump)
        tell("restored database, filestore and key file in other places")
        self.restored.start()
        self.read(token)
        self.change_key(token)
        self.restored.stop()
        self.restored.key_file.unlink()
        tell("the second server is started again, without the key file")
        self.restored.log.unlink()
        self.restored.start()
        self.refused(token)

    def send(self):
        """A message with a file, to a contact with a PIN, as a user."""
        people = self.stage.odoo(SET_UP)
        form = {"partner_id": people["contact"], "pin": PIN}
        self.stage.call(
            "secure.pin.wizard", "web_save", [], form, {"pin": {}}, login=STAFF
        )
        file_id = self.stage.upload(
            "secure.compose", CANARIES["file name"], CANARIES["file"].encode(), STAFF
        )
        send(
            self.stage,
            compose(self.stage, people["contact"], attachment_ids=[(4, file_id)]),
        )
        [mail] = self.stage.wait_for("the email", self.stage.mails)
        self.contact = people["contact"]
        return token_in(mail_text(mail))

    def read(self, token):
        """Message and file, by the link that left the first server."""
        session, page = self.restored.open(token)
        check(page.status_code == 200, "the link and its PIN open on the second server")
        for what in ("subject", "body", "file name"):
            check(CANARIES[what] in page.text, f"the {what} is there")
        path = re.search(r'href="(/sm/c/\w+/f/\w+)"', page.text)[1]
        file = session.get(self.restored.url + path, timeout=30)
        check(file.text == CANARIES["file"], "the file is there")

    def change_key(self, token):
        """By the command, while the server runs."""
        self.restored.rotate()
        tell("the command has put a new key first, and sealed all with it")
        self.read(token)
        new, _old = self.restored.key_file.read_text().splitlines()
        self.restored.key_file.write_text(f"{new}\n")
        _session, page = self.restored.open(token)
        check(page.status_code == 410, "without the old key, the link has expired")
        check("/renew" in page.text, "and a new one can be asked for")

    def refused(self, token):
        """Nothing opens, nothing is sent, and no key is made over the old one."""
        needed = self.restored.psql(FINGERPRINTS)
        log = self.restored.log.read_text()
        check("ERROR" in log and KEY_FILE in log, "the log says so as Odoo starts")
        check(needed in log, f"and names the fingerprint that is missing: {needed}")
        _session, page = self.restored.open(token)
        check(page.status_code == 503, "the page says that it is unavailable")
        check(CANARIES["body"] not in page.text, "and shows nothing")
        stage = self.stage.at(self.restored.url, self.restored.database)
        before = self.restored.psql("SELECT count(*) FROM mail_message")
        left = self.stage.left_count()
        try:
            send(stage, compose(stage, self.contact))
        except AssertionError as refusal:
            text = str(refusal)
            check("locked" in text, f"sending is refused: {text.splitlines()[-1]}")
        else:
            raise AssertionError("a message was sent without the key")
        check(self.stage.left_count() == left, "nothing left")
        after = self.restored.psql("SELECT count(*) FROM mail_message")
        check(after == before, "nothing was stored")
        check(not self.restored.key_file.exists(), "no new key was made")
        check(self.restored.psql(FINGERPRINTS) == needed, "the same key is needed")


def main(stage):
    """Play it; the exit code tells."""
    drill = Drill(stage)
    try:
        drill.play()
    finally:
        drill.restored.stop()
    drill.restored.drop()
    tell("Done.")
    return 0


if __name__ == "__main__":
    sys.exit(main(Stage.here()))
