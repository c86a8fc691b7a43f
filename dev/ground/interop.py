"""`make interop`: our module beside one that others made, OCA's helpdesk_mgmt, which
knows nothing of ours. It is downloaded into the cache, and is no part of ours. Our
tests of dev/interop are run, and its own."""

import shlex
import zipfile

from . import tests
from .databases import Databases
from .keep import build_folder, lock
from .paths import CACHE, CHECKOUT, DEV, LINK, RUNS, short_hash
from .say import Trouble, note, step
from .servers import sole
from .shell import foreground, quiet

OTHERS = "helpdesk_mgmt"
FOLDER = DEV / "interop"
PINNED = FOLDER / "helpdesk.txt"
# It brings in a test class of Odoo's, which works under Odoo's own runner only.
NOT_RUN = "test_js.py"


def run(ground, arguments):
    """Run our tests and the others'; return pytest's exit code."""
    addons = _others(ground)
    with sole("interop"):
        folder = RUNS / "interop"
        log = folder / "odoo.log"
        log.unlink(missing_ok=True)
        database = Databases(ground).fresh("interop")
        path = ",".join(str(part) for part in (*ground.addons_path(), addons))
        config = ground.write_config(
            folder / "odoo.conf", database, logfile=log, addons_path=path
        )
        step(f"Installing {OTHERS}")
        ground.run_odoo(
            config,
            *("--stop-after-init", "--no-http", "-i", OTHERS),
            failing=f"The installation failed; see {log}",
        )
        step(f"Running the tests in database {database}")
        note(f"Odoo's log: {log}")
        theirs = addons / OTHERS / "tests"
        chosen = [*shlex.split(arguments or ""), "-rs", f"--ignore={theirs / NOT_RUN}"]
        chosen += [LINK / FOLDER.relative_to(CHECKOUT), theirs]
        command = tests.pytest(ground, config, database, LINK, chosen)
        return foreground(command, cwd=CHECKOUT, env=ground.env)


def _others(ground):
    """Return the addons folder with the others' module, downloaded when needed."""
    final = CACHE / f"helpdesk-{short_hash(PINNED.read_text())}"
    with lock(CACHE / "helpdesk.lock", f"downloading {OTHERS}"):
        if not final.is_dir():
            step(f"Getting {OTHERS}")
            with build_folder(final) as folder:
                _download(ground, folder)
    return final / "odoo" / "addons"


def _download(ground, folder):
    """Get the pinned package and unpack it; pip refuses any but the pinned file."""
    quiet(
        (
            *(ground.python, "-m", "pip", "download", "--retries=2", "--no-deps"),
            *("--only-binary=:all:", "--require-hashes", "-r", PINNED, "-d", folder),
        ),
        f"{OTHERS} could not be downloaded. Is the network reachable?",
    )
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(folder)
    wheel.unlink()
    if not (folder / "odoo" / "addons" / OTHERS / "__manifest__.py").is_file():
        raise Trouble(f"There is no {OTHERS} in {wheel.name}.")
