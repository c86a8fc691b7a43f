"""What smoke.py and bench.py have in their hands: the running servers, seen from
outside. `make smoke` and `make bench` start them and stop them."""

import json
import os
import subprocess
import time
from contextlib import contextmanager
from copy import copy
from email import message_from_bytes, policy
from pathlib import Path

import requests


class Stage:
    """The running servers of one `make smoke` or `make bench`."""

    def __init__(self, facts):
        """Take over what the ground wrote down about them."""
        self.base_url = facts["base_url"]
        self.mailroom_url = facts["mailroom_url"]
        self.database = facts["database"]
        self.odoo_log = Path(facts["odoo_log"])
        self.odoo_pid = facts["odoo_pid"]
        self.mail_folder = Path(facts["mail_folder"])
        self.sms_file = Path(facts["sms_file"])
        self.filestore = Path(facts["filestore"])
        self.data_dir = Path(facts["data_dir"])
        self.run_folder = Path(facts["run_folder"])
        self.build_folder = Path(facts["build_folder"])
        self.checkout = Path(facts["checkout"])
        self.chromium = facts["chromium"]
        self.axe = Path(facts["axe"])
        self._config = facts["config"]
        self.odoo_command = facts["odoo_command"]
        self._sessions = {}

    @classmethod
    def here(cls):
        """Return the stage this script was started on."""
        return cls(json.loads(Path(os.environ["SM_STAGE"]).read_text()))

    def mails(self):
        """Return the received mails, oldest first, as email messages."""
        files = sorted(self.mail_folder.glob("*.eml"))
        return [
            message_from_bytes(f.read_bytes(), policy=policy.default) for f in files
        ]

    def envelopes(self):
        """Return who each mail was really addressed to: {"from": ..., "to": [...]}."""
        files = sorted(self.mail_folder.glob("*.json"))
        return [json.loads(file.read_text()) for file in files]

    def sms(self):
        """Return the received SMS, oldest first: number, content, uuid, time."""
        return [json.loads(line) for line in self.sms_file.read_text().splitlines()]

    def left_count(self):
        """Return how many mails and SMS have left so far."""
        mails = sum(1 for _file in self.mail_folder.glob("*.eml"))
        return mails + len(self.sms_file.read_text().splitlines())

    def wait_for(self, what, found, seconds=90):
        """Wait until `found()` returns something true, and return that."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            result = found()
            if result:
                return result
            time.sleep(0.2)
        raise AssertionError(f"waited {seconds} s in vain for {what}")

    @property
    def shell_command(self):
        """The command line of Odoo's shell."""
        return [*self.odoo_command, "shell", "-c", self._config, "--no-http"]

    def odoo(self, code):
        """Run Python in Odoo's shell, with `env`; committed when it ends well.
        Returns what the code left in `result` (anything JSON can hold)."""
        mark = "@@result@@"
        wrapped = (
            "import json\nresult = None\n"
            f"exec(compile({code!r}, '<stage.odoo>', 'exec'))\n"
            f"env.cr.commit()\nprint({mark!r} + json.dumps(result, default=str))"
        )
        for _try in range(3):
            done = subprocess.run(
                self.shell_command,
                input=wrapped,
                capture_output=True,
                text=True,
                check=False,
            )
            # A job of the running servers wrote the same row: nothing was done
            if "could not serialize access" not in done.stderr:
                break
        if done.returncode:
            raise AssertionError(f"Odoo's shell failed:\n{done.stderr}")
        printed, _mark, result = done.stdout.rpartition(mark)
        print(printed, end="")
        return json.loads(result)

    def call(self, model, method, *args, login="admin", password=None, **kwargs):
        """Call a method as the back office in a browser does, with that user's own
        rights; raise what Odoo answers when it refuses."""
        session = self._sessions.get(login) or self._log_in(login, password or login)
        params = {"model": model, "method": method, "args": args, "kwargs": kwargs}
        return self._ask(session, f"/web/dataset/call_kw/{model}/{method}", params)

    def upload(self, model, name, data, login):
        """Upload a file for a record that is not there yet, as a form's widget does.

        :return: its attachment's id
        """
        session = self._sessions.get(login) or self._log_in(login, login)
        page = session.get(f"{self.base_url}/odoo", timeout=60).text
        csrf_token = page.split('csrf_token: "')[1].split('"')[0]
        answer = session.post(
            f"{self.base_url}/web/binary/upload_attachment",
            data={"model": model, "id": 0, "csrf_token": csrf_token},
            files={"ufile": (name, data)},
            timeout=60,
        )
        [file] = answer.json()
        return file["id"]

    def at(self, base_url, database):
        """Return the same hands before another server, with nobody logged in."""
        other = copy(self)
        other.base_url, other.database, other._sessions = base_url, database, {}
        return other

    def _log_in(self, login, password):
        """Return a session of that user, kept for the next call."""
        session = self._sessions[login] = requests.Session()
        params = {"db": self.database, "login": login, "password": password}
        self._ask(session, "/web/session/authenticate", params)
        return session

    def _ask(self, session, path, params):
        """Send one JSON-RPC request."""
        body = {"jsonrpc": "2.0", "method": "call", "params": params}
        answer = session.post(self.base_url + path, json=body, timeout=60).json()
        if "error" in answer:
            data = answer["error"].get("data", {})
            raise AssertionError(f"{data.get('name')}: {data.get('message')}")
        return answer["result"]

    def start_odoo(self):
        """Start the server again, after it has ended; the caller ends it."""
        config = self.run_folder / "odoo.conf"
        with open(self.run_folder / "again.out", "ab") as output:
            return subprocess.Popen(
                [*self.odoo_command, "-c", str(config)],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def psql(self, sql):
        """Run SQL, return its unaligned output."""
        command = ["psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-d", self.database]
        return subprocess.check_output([*command, "-c", sql], text=True)

    def pg_dump(self):
        """Return a whole dump of the database, as bytes."""
        return subprocess.check_output(["pg_dump", "--no-owner", self.database])

    def stored_files(self):
        """Yield every file of the filestore."""
        return (path for path in self.filestore.rglob("*") if path.is_file())

    @contextmanager
    def browser(self, **options):
        """Have a Chromium (Playwright's Browser) inside the block."""
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            path = self.chromium
            browser = playwright.chromium.launch(executable_path=path, **options)
            try:
                yield browser
            finally:
                browser.close()

    def write_bench(self, figures):
        """Write what was measured to build/bench.json, over what is there: a figure
        that was not measured this time stays."""
        self.build_folder.mkdir(exist_ok=True)
        file = self.build_folder / "bench.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        text = json.dumps(known | figures, indent=2, sort_keys=True)
        file.write_text(text + "\n")
