"""What the machine itself has to bring: a few packages of its distribution."""

import ctypes.util
import importlib.util
import os
import sys
from pathlib import Path

from .say import Trouble, note, step
from .shell import program, quiet, shown

OLDEST_POSTGRES = 13
CLUSTER_SETTING = Path("/etc/postgresql-common/createcluster.conf")


def postgres_bin():
    """Return the folder of the newest PostgreSQL server there is, else None."""
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted((int(p.parts[-3]), p.parent) for p in folders if _is_number(p))
    if found and found[-1][0] >= OLDEST_POSTGRES:
        return found[-1][1]
    initdb = program("initdb")
    return Path(initdb).resolve().parent if initdb else None


def _is_number(path):
    """Tell whether the version folder's name is a plain number (13 and later)."""
    return path.parts[-3].isdigit()


def chromium():
    """Return the browser's path, else None."""
    return program("chromium", "chromium-browser", "google-chrome")


def _font_for_all_scripts():
    """Tell whether a font with Arabic and Hebrew letters is there."""
    names = ("dejavu/DejaVuSans.ttf", "noto/NotoSansArabic-Regular.ttf")
    return any(Path("/usr/share/fonts/truetype", name).exists() for name in names)


def _libatomic():
    """Tell whether the library is there; Playwright's own Node.js needs it."""
    return ctypes.util.find_library("atomic")


# What is looked for: what it is, Debian's package, and how to see that it is there.
NEEDS = (
    ("PostgreSQL 13 or newer (server)", "postgresql", postgres_bin),
    ("Chromium", "chromium", chromium),
    (
        "Python's venv and pip",
        "python3-venv",
        lambda: importlib.util.find_spec("ensurepip"),
    ),
    ("libmagic", "libmagic1", lambda: ctypes.util.find_library("magic")),
    ("libatomic (for Playwright)", "libatomic1", _libatomic),
    ("a font with Arabic and Hebrew", "fonts-dejavu-core", _font_for_all_scripts),
)


def require():
    """Install what is missing where we may, else say which line does it."""
    _require_python()
    missing = [need for need in NEEDS if not need[2]()]
    if not missing:
        return
    names = ", ".join(need[0] for need in missing)
    packages = [need[1] for need in missing]
    if not program("apt-get"):
        raise Trouble(f"This machine lacks: {names}. Please install that first.")
    line = "apt-get install --no-install-recommends " + " ".join(packages)
    if os.geteuid() != 0:
        raise Trouble(
            f"This machine lacks: {names}.\nAs we are not root, please run\n\n"
            f"    sudo {line}\n\nand then the same make again."
        )
    step(f"Installing system packages: {' '.join(packages)}")
    apt_update()
    _install(packages, line)
    still = [need[0] for need in NEEDS if not need[2]()]
    if still:
        raise Trouble(f"Installed, but still not found: {', '.join(still)}.")


def _require_python():
    """Refuse Pythons for which Odoo 19 has no packages."""
    if sys.version_info < (3, 10):  # noqa: UP036 - the user's own Python
        raise Trouble("Python 3.10 or newer is needed (Debian 12 has 3.11).")


def apt_update():
    """Refresh apt's lists: on a fresh machine there are none."""
    note("refreshing apt's package lists")
    quiet(
        ("apt-get", "update", "-q", "-o", "Acquire::Retries=2"),
        "apt-get update failed. Is the network (or the mirror) reachable?",
    )


def _install(packages, line):
    """Install packages without a question and without a PostgreSQL cluster of
    the distribution's, which nobody asked for."""
    ours = not CLUSTER_SETTING.exists() and "postgresql" in packages
    if ours:
        CLUSTER_SETTING.parent.mkdir(parents=True, exist_ok=True)
        CLUSTER_SETTING.write_text("create_main_cluster = false\n")
    quiet_env = os.environ | {
        "DEBIAN_FRONTEND": "noninteractive",
        "UCF_FORCE_CONFFOLD": "1",
    }
    unasked = ("-y", "-q", "-oDpkg::Options::=--force-confold")
    command = (*line.split(), *unasked)
    shown(command, f"This failed:\n\n    {line}", unbroken=True, env=quiet_env)
