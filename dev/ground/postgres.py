"""A PostgreSQL of our own: private folder, private socket, no TCP port, started
when needed and stopped when the last make that uses it ends.

PostgreSQL refuses to run as root. Root's cluster therefore runs as `postgres`, in
/var/lib/secure_messaging_dev (root's own cache is closed to that user); anybody
else's lies in their cache.
"""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from .keep import lock, open_lock, read_stamp, remove_tree, try_lock, write_stamp
from .paths import CACHE, short_hash
from .say import Trouble, step
from .shell import quiet
from .system import postgres_bin

ROOT_HOME = Path("/var/lib/secure_messaging_dev")
ROLE = "odoo"
PORT = "5432"  # only a part of the socket's name
LONGEST_SOCKET_FOLDER = 80
SETTINGS = """
listen_addresses = ''
max_connections = 200
shared_buffers = 256MB
# Nothing here is worth surviving a power cut.
fsync = off
full_page_writes = off
synchronous_commit = off
autovacuum_naptime = 5min
jit = off
"""


class Cluster:
    """The private server: where it lies and how to talk to it."""

    def __init__(self, purpose=""):
        """Find out which folders it uses; nothing is started.

        :param str purpose: of a second server, apart from the one everybody shares
        """
        self.as_root = os.geteuid() == 0
        self.bin = postgres_bin()
        version = "-".join(filter(None, (short_hash(self.bin, CACHE), purpose)))
        self.home = (ROOT_HOME if self.as_root else CACHE / "postgres") / version
        self.data = self.home / "data"
        self.log = self.home / "server.log"
        self.socket = self._socket_folder()
        self.mutex = CACHE / f"postgres{purpose}.lock"
        self.users = CACHE / f"postgres{purpose}.users"

    def _socket_folder(self):
        """Return the socket's folder: beside the data, unless that is too deep
        for the kernel's limit of 107 characters."""
        if len(str(self.home)) <= LONGEST_SOCKET_FOLDER:
            return self.home / "socket"
        name = f"secure_messaging-{os.getuid()}-{short_hash(self.home)}"
        return Path(tempfile.gettempdir()) / name

    @property
    def env(self):
        """Return the environment in which psql, createdb and the like find it."""
        path = os.pathsep.join((str(self.bin), os.environ.get("PATH", "")))
        return os.environ | {
            "PATH": path,
            "PGHOST": str(self.socket),
            "PGPORT": PORT,
            "PGUSER": ROLE,
            "PGDATABASE": "postgres",
        }

    def server(self, name, *args, failing, **options):
        """Run one of the server's own programs as the user it must run as."""
        if self.as_root:
            user = pwd.getpwnam("postgres")
            options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        env = self.env | {"LC_ALL": "C.UTF-8"}
        options |= {"cwd": "/", "env": env, "unbroken": True}
        quiet((self.bin / name, *args), failing, **options)

    def psql(self, sql, database="postgres"):
        """Run SQL as Odoo's role, each statement by itself; return the output."""
        command = ("psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-d", database)
        return quiet((*command, "-c", sql), f"PostgreSQL refused: {sql}", env=self.env)

    def exists(self):
        """Tell whether the cluster is there and whole."""
        return bool(read_stamp(self.home / "complete.json"))

    def remove(self):
        """Stop the server and remove all it holds."""
        self.stop()
        remove_tree(self.home)
        remove_tree(self.socket)
        with suppress(OSError):  # others' clusters may still be there
            self.home.parent.rmdir()

    def create(self):
        """Make the cluster, unless it is there."""
        if self.exists():
            return
        step("Creating a private PostgreSQL cluster")
        remove_tree(self.home)
        self.home.mkdir(parents=True)
        self._own(self.home)
        self.server(
            "initdb",
            *("-D", self.data, "-U", "postgres", "-A", "trust"),
            *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
            failing="initdb failed.",
        )
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.write(SETTINGS)
        write_stamp(self.home / "complete.json", bin=str(self.bin))

    def _own(self, folder):
        """Close a folder to everyone but the user the server runs as."""
        folder.chmod(0o700)
        if self.as_root:
            shutil.chown(folder, "postgres", "postgres")

    def running(self):
        """Tell whether the server accepts connections."""
        command = (self.bin / "pg_isready", "-q", "-h", self.socket, "-p", PORT)
        return subprocess.run(command, check=False).returncode == 0

    def start(self):
        """Start the server, and give Odoo its role (it refuses `postgres`)."""
        if self.running():
            return
        self.socket.mkdir(exist_ok=True)
        if self.socket.stat().st_uid not in (os.geteuid(), self.home.stat().st_uid):
            raise Trouble(f"{self.socket} belongs to somebody else.")
        self._own(self.socket)
        options = f"-c unix_socket_directories='{self.socket}' -p {PORT}"
        self.server(
            "pg_ctl",
            *("start", "-s", "-w", "-D", self.data, "-l", self.log, "-o", options),
            failing=f"PostgreSQL does not start; see {self.log}",
        )
        sql = (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname='{ROLE}') "
            f"THEN CREATE ROLE {ROLE} LOGIN CREATEDB; END IF; END $$; "
            # Else a database cannot be dropped while autovacuum looks at it.
            f"GRANT pg_signal_backend TO {ROLE}"
        )
        self.server(
            "psql",
            *("-X", "-q", "-U", "postgres", "-d", "postgres", "-c", sql),
            failing="Odoo's role could not be made.",
        )

    def stop(self):
        """Stop the server at once; nothing it holds needs more. A server that is
        only just starting is stopped as well."""
        if (self.data / "postmaster.pid").exists():
            self.server(
                "pg_ctl",
                *("stop", "-s", "-w", "-m", "fast", "-D", self.data),
                failing=f"PostgreSQL does not stop; see {self.log}",
            )

    def kill(self):
        """Kill the server without a chance to say goodbye, and wait until all of it
        is gone. For the kill test, on a server that nobody shares."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        while _alive(pid) or self.running():
            time.sleep(0.1)

    @contextmanager
    def in_use(self):
        """Have the server running inside the block. Every make holds a shared
        lock meanwhile; the one that is last to leave stops the server."""
        users = open_lock(self.users)
        try:
            with lock(self.mutex, "starting PostgreSQL"):
                fcntl.flock(users, fcntl.LOCK_SH)
                self.create()
                self.start()
            yield self
        finally:
            with lock(self.mutex, "stopping PostgreSQL"):
                if try_lock(users):
                    self.stop()
            os.close(users)


def _alive(pid):
    """Tell whether a process is there."""
    return Path(f"/proc/{pid}").exists()
