"""`make clean` and `make distclean`."""

import os

from .databases import Databases
from .keep import lock, open_lock, remove_tree, try_lock
from .paths import BUILD, CACHE, WORK
from .postgres import Cluster
from .say import Trouble, note, step
from .server import Ground
from .system import postgres_bin

# What we put into the cache. It may be a folder somebody else uses as well.
OURS = (
    "odoo-*",
    "odoo.*",
    "venv-*",
    "venv.*",
    "base",
    "base.*",
    "checkouts",
    "compare",
    "helpdesk*",
    "pycache",
    "axe*",
    "rtlcss*",
)
OURS += ("lint*", "postgres*")


def clean():
    """Remove this checkout's databases, run folders and build/."""
    step("Removing this checkout's databases and files")
    _require_idle(WORK.glob("*.lock"))
    if postgres_bin() and Cluster().exists():
        with Cluster().in_use() as cluster:
            Databases(Ground(None, None, cluster)).drop_all()
    remove_tree(WORK)
    remove_tree(BUILD)


def distclean():
    """Remove everything that any make has put on this machine."""
    clean()
    step(f"Removing what was downloaded, from {CACHE}")
    _require_idle([CACHE / "postgres.users"])
    if postgres_bin():
        with lock(CACHE / "postgres.lock", "stopping PostgreSQL"):
            Cluster().remove()
    for pattern in OURS:
        for path in CACHE.glob(pattern):
            remove_tree(path)
    note("system packages stay installed")


def _require_idle(locks):
    """Refuse while another make is at work."""
    for path in locks:
        handle = open_lock(path)
        try:
            if not try_lock(handle):
                raise Trouble("Another make is running; stop it first.")
        finally:
            os.close(handle)
