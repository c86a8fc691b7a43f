"""The Python packages: Odoo's, at the versions it asks for, and the tests' tools."""

import re
import sys

from .keep import lock, read_stamp, remove_tree, write_stamp
from .paths import CACHE, DEV, short_hash
from .say import Trouble, note, step
from .shell import quiet

PINNED_FOR = (3, 11)


def get(odoo):
    """Return the Python that has everything, made when it is not there yet."""
    wanted = _odoo_requirements(odoo) + (DEV / "requirements.txt").read_text()
    key = short_hash(wanted, sys.version, sys.executable)
    folder = CACHE / f"venv-{key}"
    stamp = folder / "complete.json"
    with lock(CACHE / "venv.lock", "installing Python packages"):
        if not read_stamp(stamp):
            remove_tree(folder)
            _make(folder, wanted)
            write_stamp(stamp, python=sys.version)
    return folder / "bin" / "python"


def _make(folder, wanted):
    """Make the environment; it only counts once its stamp is written."""
    step("Installing Python packages")
    quiet((sys.executable, "-m", "venv", folder), "python3 -m venv failed.")
    listed = folder / "requirements.txt"
    listed.write_text(wanted)
    note("this takes about a minute")
    quiet(
        (folder / "bin/python", "-m", "pip", "install", "--retries=2", "-r", listed),
        "Python packages could not be installed. Is the network reachable?",
    )


def _odoo_requirements(odoo):
    """Return the list for this Python: ours, or the one Odoo's checkout brings."""
    if sys.version_info[:2] == PINNED_FOR:
        return (DEV / "requirements-odoo.txt").read_text()
    if odoo.requirements:
        return _from_wheels(odoo.requirements.read_text())
    raise Trouble(
        f"This is Python {sys.version.split()[0]}; the packages are pinned for "
        "3.11.\nUse that one (python3.11 dev/cli.py ...), or point ODOO_HOME to an "
        "Odoo 19 source checkout, whose own list is then used."
    )


def _from_wheels(text):
    """Take out of Odoo's list what needs a compiler and is not needed here."""
    text = re.sub(r"^python-ldap\b.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"^psycopg2\b", "psycopg2-binary", text, flags=re.MULTILINE) + "\n"
