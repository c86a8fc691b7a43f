"""A running whole: database, Odoo, and the outside world it sends to."""

import json
import os
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

from . import rtlcss
from .databases import Databases, filestore
from .keep import open_lock, remove_tree, try_lock
from .npm import packages
from .paths import BUILD, CHECKOUT, DATA, DEV, RUNS, WORK
from .postgres import Cluster
from .say import Trouble, note, step
from .server import Ground, free_port, log_lines, port_is_free
from .shell import foreground, quiet, start, stop
from .system import chromium

START_LIMIT = 120  # seconds an Odoo may take to answer
# A developer does not want to wait for the hourly round of Odoo's queues.
QUEUES = ("ir_cron_mail_scheduler_action", "ir_cron_sms_scheduler_action")


class Servers:
    """The servers of one run, and what others need to know about them."""

    def __init__(self, ground, name, database, port=None, workers=2):
        """Choose the ports and the folder; nothing is started yet."""
        self.ground = ground
        self.name = name
        self.database = database
        self.folder = RUNS / name
        self.port = port or free_port()
        self.workers = workers
        self.smtp_port = free_port()
        self.mailroom_port = free_port(self.port + 1)
        self.log = self.folder / "odoo.log"
        self.processes = {}

    @property
    def url(self):
        """Return the address of the back office and of the public page."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def mailroom_url(self):
        """Return the address of the page with the caught messages."""
        return f"http://127.0.0.1:{self.mailroom_port}"

    def facts(self):
        """Return what a script that plays on this stage needs to know."""
        facts = {
            "base_url": self.url,
            "mailroom_url": self.mailroom_url,
            "database": self.database,
            "config": self._shell_config(),
            "odoo_command": self.ground.command(),
            "odoo_log": self.log,
            "odoo_pid": self.processes["Odoo"].pid,
            "mail_folder": self.folder / "caught" / "mail",
            "sms_file": self.folder / "caught" / "sms.jsonl",
            "filestore": filestore(self.database),
            "data_dir": DATA,
            "run_folder": self.folder,
            "build_folder": BUILD,
            "checkout": CHECKOUT,
            "chromium": chromium(),
            "axe": packages(self.ground, "axe") / "node_modules/axe-core/axe.min.js",
        }
        plain = (str, int, list)
        return {k: v if isinstance(v, plain) else str(v) for k, v in facts.items()}

    def open(self):
        """Start the outside world, then Odoo, and wait until it answers."""
        self.env = rtlcss.env(self.ground)
        remove_tree(self.folder)
        self.folder.mkdir(parents=True)
        self.config = self.ground.write_config(
            self.folder / "odoo.conf",
            self.database,
            http_port=self.port,
            workers=self.workers,
            max_cron_threads=1,
            logfile=self.log,
            smtp_server="127.0.0.1",
            smtp_port=self.smtp_port,
        )
        self._point_odoo_here()
        step("Starting the mail server, the SMS gateway and Odoo")
        python, caught = self.ground.python, self.folder / "caught"
        caught.mkdir()
        ports = (self.smtp_port, self.mailroom_port)
        self._start("mailroom", python, DEV / "mailroom.py", caught, *ports)
        self._start("Odoo", *self.ground.command("-c", self.config))
        self._wait(self.mailroom_url, "mailroom")
        self._wait(f"{self.url}/web/health?db_server_status=1", "Odoo")
        facts = json.dumps(self.facts(), indent=1)
        (self.folder / "stage.json").write_text(facts)

    def _shell_config(self):
        """Return a configuration for scripts in Odoo's shell, whose log does not
        mix with the server's."""
        return self.ground.write_config(
            self.folder / "shell.conf",
            self.database,
            logfile=self.folder / "shell.log",
            smtp_server="127.0.0.1",
            smtp_port=self.smtp_port,
        )

    def _point_odoo_here(self):
        """Make Odoo's own settings name the addresses of this run."""
        settings = {
            "web.base.url": self.url,
            "web.base.url.freeze": "True",
            "report.url": self.url,
            "sms.endpoint": self.mailroom_url,
            "iap.endpoint": self.mailroom_url,
        }
        for key, value in settings.items():
            self.ground.cluster.psql(
                "INSERT INTO ir_config_parameter (key, value) "
                f"VALUES ('{key}', '{value}') "
                "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                self.database,
            )
        names = ", ".join(f"'{name}'" for name in QUEUES)
        self.ground.cluster.psql(
            "UPDATE ir_cron SET interval_number = 1, interval_type = 'minutes', "
            "nextcall = now() AT TIME ZONE 'UTC' WHERE id IN (SELECT res_id FROM "
            f"ir_model_data WHERE model = 'ir.cron' AND name IN ({names}))",
            self.database,
        )

    def _start(self, name, *command):
        """Start one server; what it prints goes to a file of its name."""
        log = self.folder / f"{name.lower()}.out"
        self.processes[name] = start(command, log, cwd=WORK, env=self.env)

    def _wait(self, url, name):
        """Wait until a server answers; tell why when it does not."""
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end:
            self.require_running(name)
            try:
                urllib.request.urlopen(url, timeout=10).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise Trouble(f"{name} does not answer; see {self.folder}")

    def require_running(self, *names):
        """Complain when a server has ended by itself."""
        for name in names or self.processes:
            if self.processes[name].poll() is None:
                continue
            printed = log_lines(self.folder / f"{name.lower()}.out")
            tail = "\n".join((printed + log_lines(self.log))[-25:])
            raise Trouble(f"{name} ended by itself; see {self.folder}\n\n{tail}")

    def close(self):
        """Stop everything that was started, Odoo first."""
        for name in reversed(list(self.processes)):
            stop(self.processes.pop(name))

    def play(self, script):
        """Run a script of dev/ against the running servers; return its exit code."""
        command = (self.ground.python, DEV / script)
        facts = {"SM_STAGE": str(self.folder / "stage.json")}
        return foreground(command, cwd=CHECKOUT, env=self.ground.env | facts)

    def send_demo(self):
        """Run dev/demo_send.py in Odoo's shell, with `env` and `stage` in reach."""
        script = str(DEV / "demo_send.py")
        code = f"stage = {self.facts()!r}\n__file__ = {script!r}\n"
        code += "exec(compile(open(__file__).read(), __file__, 'exec'))"
        printed = quiet(
            self.ground.command("shell", "-c", self._shell_config(), "--no-http"),
            "The demo messages could not be sent.",
            text_in=code,
            cwd=WORK,
            env=self.ground.env,
        )
        print(printed.rstrip(), flush=True)


@contextmanager
def sole(name):
    """Hold the right to run something once per checkout: a second one would take
    the first one's database away."""
    handle = open_lock(WORK / f"{name}.lock")
    try:
        if not try_lock(handle):
            raise Trouble(f"`make {name}` of this checkout is running already.")
        yield
    finally:
        os.close(handle)


@contextmanager
def opened(ground, name, demo=False, **options):
    """Have a fresh database and all servers running inside the block."""
    with sole(name):
        step("Making a fresh database")
        database = Databases(ground).fresh(name, demo)
        with _running(Servers(ground, name, database, **options)) as servers:
            yield servers


@contextmanager
def opened_apart(ground, name, **options):
    """Like :func:`opened`, on a PostgreSQL of its own, which may be killed."""
    with sole(name), Cluster(name).in_use() as cluster:
        step("Making a fresh database on a server of its own")
        databases = Databases(ground)
        database = databases.fresh(name)
        databases.move(database, cluster)
        apart = Ground(ground.odoo, ground.python, cluster)
        with _running(Servers(apart, name, database, **options)) as servers:
            yield servers


@contextmanager
def _running(servers):
    try:
        servers.open()
        note(f"Odoo's log: {servers.log}")
        yield servers
    finally:
        servers.close()


def require_port(port):
    """Refuse a port that somebody else listens on, before any work is done."""
    if not port_is_free(port):
        raise Trouble(
            f"Port {port} is taken. Use another one:\n\n    make run PORT={port + 2}"
        )
