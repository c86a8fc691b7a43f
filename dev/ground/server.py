"""Odoo as a program: its configuration file, its environment, running it."""

import os
import socket
from pathlib import Path

from .paths import ADDONS, CACHE, CHECKOUT, DATA, DEV, bridge_modules
from .postgres import PORT, ROLE
from .shell import quiet


class Ground:
    """What every command works on: an Odoo, a Python, a PostgreSQL."""

    def __init__(self, odoo, python, cluster):
        """Keep the three together."""
        self.odoo = odoo
        self.python = python
        self.cluster = cluster

    @property
    def env(self):
        """Return the environment Odoo and its tests run in."""
        env = self.cluster.env | {
            "PYTHONPATH": str(self.odoo.python),
            # Compiled files go to the cache: the checkout stays clean.
            "PYTHONPYCACHEPREFIX": str(CACHE / "pycache"),
        }
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        # Odoo's configuration file names the database; these would win over it.
        for name in ("PGDATABASE", "ODOO_RC", "OPENERP_SERVER"):
            env.pop(name, None)
        return env

    def addons_path(self):
        """Return the addons folders: ours, the bridges', Odoo's."""
        bridges = [CHECKOUT / "addons"] if bridge_modules() else []
        return [ADDONS, *bridges, *self.odoo_addons()]

    def odoo_addons(self):
        """Return Odoo's own addons folders."""
        return [*self.odoo.addons, self.odoo.python / "odoo" / "addons"]

    def write_config(self, path, database, **more):
        """Write Odoo's configuration file for one database and return its path."""
        options = {
            "addons_path": ",".join(str(folder) for folder in self.addons_path()),
            "data_dir": DATA,
            "db_host": self.cluster.socket,
            "db_port": PORT,
            "db_user": ROLE,
            "db_name": database,
            "dbfilter": f"^{database}$",
            "list_db": False,
            "http_interface": "127.0.0.1",
            "http_port": free_port(),
            "gevent_port": free_port(),
            # Nothing of a developer's machine calls home or sends real mail.
            "publisher_warranty_url": "",
            "smtp_server": "127.0.0.1",
            "smtp_port": 9,
        } | more
        lines = [f"{name} = {value}" for name, value in sorted(options.items())]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(["[options]", *lines, ""]))
        return path

    def command(self, *args):
        """Return the command line that starts Odoo."""
        return [str(part) for part in (self.python, DEV / "start_odoo.py", *args)]

    def run_odoo(self, config, *args, failing):
        """Run Odoo to its end, quietly."""
        return quiet(self.command("-c", config, *args), failing, env=self.env)


def free_port(liked=0):
    """Return a TCP port of the loopback interface that nobody listens on."""
    if 0 < liked < 65536 and port_is_free(liked):
        return liked
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def port_is_free(port):
    """Tell whether we could listen on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def log_lines(path, start=0):
    """Return the lines a log has gained since it had `start` bytes."""
    if not Path(path).exists():
        return []
    with open(path, "rb") as log:
        log.seek(start, os.SEEK_SET)
        return log.read().decode(errors="replace").splitlines()
