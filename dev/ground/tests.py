"""`make test`: pytest over the module's tests, in a fresh database."""

import os
import shlex
from contextlib import contextmanager
from pathlib import Path

from .databases import Databases
from .keep import open_lock, try_lock
from .paths import CHECKOUT, DEV, LINK, MODULE, RUNS, WORK, bridge_modules
from .say import Trouble, complain, note, step
from .servers import sole
from .shell import foreground

SLOTS = 8
SUITES = "sms test_mail_sms calendar_sms portal"


@contextmanager
def _slot():
    """Hold one of the numbers that tests of this checkout run under, so that two
    `make test` at a time do not take each other's database away."""
    for number in range(1, SLOTS + 1):
        handle = open_lock(WORK / f"test{number}.lock")
        if try_lock(handle):
            break
        os.close(handle)
    else:
        raise Trouble(f"{SLOTS} test runs of this checkout are under way already.")
    try:
        yield number
    finally:
        os.close(handle)


def run(ground, arguments):
    """Run the tests; return pytest's exit code, or 1 if the module's installation
    left a warning in Odoo's log."""
    with _slot() as number:
        databases = Databases(ground)
        database = databases.fresh(f"test{number}")
        folder = RUNS / f"test{number}"
        log = folder / "odoo.log"
        log.unlink(missing_ok=True)
        config = ground.write_config(folder / "odoo.conf", database, logfile=log)
        step(f"Running the tests in database {database}")
        note(f"Odoo's log: {log}")
        command = pytest(ground, config, database, LINK, _chosen(arguments))
        code = foreground(command, cwd=CHECKOUT, env=ground.env)
        if not arguments:
            code = _check_ground(ground) or code
        complaints = databases.complaints()
    if complaints:
        lines = "\n".join(complaints)
        complain(f"Odoo's log warned as the module was installed:\n\n{lines}")
    return code or bool(complaints)


def _check_ground(ground):
    """Run the few tests of the ground itself, which need no Odoo."""
    command = (ground.python, "-m", "unittest", "discover", "-s", "checks", "-t", ".")
    return foreground(command, cwd=DEV, env=ground.env)


def run_suites(ground, suites, arguments):
    """Run Odoo's own tests of some modules beside ours; return the exit code."""
    require_suites(ground, suites)
    with sole("suites"):
        database = Databases(ground).fresh("suites")
        folder = RUNS / "suites"
        log = folder / "odoo.log"
        log.unlink(missing_ok=True)
        config = ground.write_config(folder / "odoo.conf", database, logfile=log)
        step(f"Installing {', '.join(suites)}")
        ground.run_odoo(
            config,
            *("--stop-after-init", "--no-http", "-i", ",".join(suites)),
            failing=f"The installation failed; see {log}",
        )
        step(f"Running Odoo's own tests in database {database}")
        chosen = [
            *shlex.split(arguments or ""),
            *(odoo_tests(ground, s) for s in suites),
        ]
        command = pytest(ground, config, database, ground.odoo.python, chosen)
        return foreground(command, cwd=folder, env=ground.env)


def require_suites(ground, suites):
    """Refuse names that Odoo has no tests of."""
    for suite in suites:
        if not odoo_tests(ground, suite).is_dir():
            raise Trouble(f"This Odoo has no tests of a module called {suite}.")


def odoo_tests(ground, module):
    """Return the folder of the tests of one of Odoo's modules."""
    folders = [f / module / "tests" for f in ground.odoo_addons()]
    return next(filter(Path.is_dir, folders), folders[-1])


def pytest(ground, config, database, root, chosen):
    """Return pytest's command line."""
    return [
        *(ground.python, "-m", "pytest", f"--rootdir={root}"),
        *("-p", "no:cacheprovider", "-Wignore::DeprecationWarning"),
        *(f"--odoo-config={config}", f"--odoo-database={database}"),
        *("--odoo-log-level=info", "--odoo-http", *chosen),
    ]


def _chosen(arguments):
    """Return what to test. The files are named by the path that ends in the
    module's name, because that is how Odoo imports them."""
    asked = [_through_link(part) for part in shlex.split(arguments or "")]
    if not any(part.startswith(str(LINK)) for part in asked):
        asked += _all_tests()
    return asked


def _through_link(argument):
    """Turn `tests/test_x.py::A` into the path by which Odoo knows the file."""
    path, colons, inside = argument.partition("::")
    if argument.startswith("-") or not (CHECKOUT / path).exists():
        return argument
    full = os.path.normpath(CHECKOUT / path)
    return str(LINK / os.path.relpath(full, CHECKOUT)) + colons + inside


def _all_tests():
    """Return the test folders of the module and of its bridges."""
    folders = [CHECKOUT, *bridge_modules()]
    found = [f / "tests" for f in folders if (f / "tests").is_dir()]
    if not found:
        raise Trouble(f"{MODULE} has no tests folder yet.")
    return [str(LINK / folder.relative_to(CHECKOUT)) for folder in found]
