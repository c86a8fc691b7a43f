"""The developer's commands: `python3 dev/cli.py <command>`; `make` calls this."""

import argparse
import os
import shlex
import signal
import sys
import time
from contextlib import contextmanager, suppress

from ground import cleaning, mutating, odoo_tree, paths, servers, system, tests, venv
from ground import compare as comparing
from ground import interop as interoperating
from ground.databases import Databases
from ground.postgres import Cluster
from ground.say import Trouble, complain, note, step
from ground.server import Ground
from ground.shell import STOPPING, interactive

WELCOME = """
    Back office            {office}/odoo   (login admin, password admin)
    Caught mail and SMS    {caught}

    Ctrl-C stops everything.
"""


def _until_stopped(look=lambda: None):
    """Wait for Ctrl-C, which here is the way to end and no failure."""
    with suppress(Stopped):
        while True:
            time.sleep(1)
            look()


class Stopped(BaseException):
    """Somebody asked us to stop."""


def _stop(number, _frame):
    """Leave all blocks in order, each of which stops what it started."""
    for other in STOPPING:
        signal.signal(other, signal.SIG_IGN)
    raise Stopped(number)


@contextmanager
def prepared():
    """Have everything set up, and PostgreSQL running, inside the block."""
    system.require()
    odoo = odoo_tree.get()
    python = venv.get(odoo)
    paths.link_checkout()
    with Cluster().in_use() as cluster:
        yield Ground(odoo, python, cluster)


def test(options):
    """run the tests; ARGS="tests/test_x.py -k word" chooses"""
    with prepared() as ground:
        return tests.run(ground, options.args)


def setup(_options):
    """do the set-up only"""
    with prepared():
        note("everything is in place")


def run(options):
    """start Odoo with demo data, send demo messages, show what was sent"""
    servers.require_port(options.port)
    asked = {"demo": True, "port": options.port, "workers": options.workers}
    with prepared() as ground, servers.opened(ground, "run", **asked) as running:
        step("Sending the demo messages")
        running.send_demo()
        welcome = WELCOME.format(office=running.url, caught=running.mailroom_url)
        print(welcome, flush=True)
        if options.once:
            running.require_running()
        else:
            _until_stopped(running.require_running)


def smoke(_options):
    """walk the whole road without hands; the exit code tells"""
    return _play("smoke")


def page(_options):
    """the public page in a browser: accessibility, keyboard, its script"""
    return _play("page")


def pictures(_options):
    """take the documentation's pictures anew, into docs/pictures/"""
    return _play("pictures")


def bench(_options):
    """measure what the module costs, into build/bench.json"""
    return _play("bench")


def guess(_options):
    """10,000 attackers guess PINs, by a clock that jumps; ATTACKERS=100 for a look"""
    return _play("guess")


def kill(_options):
    """a send to 2,000 while a worker and PostgreSQL are killed; the exit code tells"""
    with prepared() as ground, servers.opened_apart(ground, "kill") as running:
        return running.play("kill.py")


def restore(_options):
    """a backup put back elsewhere, with its key and without; the exit code tells"""
    return _play("restore")


def lockout(_options):
    """200 wrong PINs at once, at a server with two workers; the exit code tells"""
    return _play("lockout")


def _play(name):
    """Run dev/<name>.py against freshly started servers."""
    with prepared() as ground, servers.opened(ground, name) as running:
        return running.play(f"{name}.py")


def suites(options):
    """Odoo's own tests (SUITES="sms portal" chooses) with the module installed"""
    with prepared() as ground:
        suites = options.suites or tests.SUITES
        return tests.run_suites(ground, suites.split(), options.args)


def compare(options):
    """the same tests without the module and with it; the exit code tells"""
    with prepared() as ground:
        suites = options.suites or comparing.SUITES
        return comparing.run(ground, suites.split(), options.redo)


def interop(options):
    """tests beside a module of others, OCA's helpdesk_mgmt"""
    with prepared() as ground:
        return interoperating.run(ground, options.args)


def mutants(options):
    """small faults in the code that decides who gets in: are they noticed?"""
    with prepared() as ground:
        return mutating.run(ground, options.args)


def shell(options):
    """Odoo's shell, on the database of `make run` or DB=<name>"""
    with prepared() as ground:
        database = options.db or Databases(ground).work("run", demo=True)
        config = ground.write_config(paths.RUNS / "shell" / "odoo.conf", database)
        command = ground.command("shell", "-c", config, "--no-http")
        return interactive(command, env=ground.env)


def psql(options):
    """psql, on the database of `make run` or DB=<name>"""
    with prepared() as ground:
        database = options.db or Databases(ground).work("run", demo=True)
        return interactive(("psql", "-d", database), env=ground.env)


def hold(_options):
    """keep PostgreSQL running until Ctrl-C, for work by hand; prints how to reach it"""
    with prepared() as ground:
        names = ("PATH", "PGHOST", "PGPORT", "PGUSER", "PYTHONPATH")
        for name in names:
            print(f"export {name}={shlex.quote(ground.env[name])}")
        print(f"export SM_PYTHON={ground.python}", flush=True)
        _until_stopped()


def clean(_options):
    """remove this checkout's databases, run folders and build/"""
    cleaning.clean()


def distclean(_options):
    """the same, and the downloads and the PostgreSQL cluster"""
    cleaning.distclean()


COMMANDS = {
    function.__name__: function
    for function in (
        run,
        smoke,
        test,
        suites,
        compare,
        interop,
        mutants,
        page,
        pictures,
        bench,
        guess,
        kill,
        restore,
        lockout,
        shell,
        psql,
        hold,
        setup,
        clean,
        distclean,
    )
}


def _options():
    """Read the command line; `make` hands its variables over in the environment."""
    lines = [f"  {name:10} {made.__doc__}" for name, made in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        description="\n".join(["Commands:", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="command")
    parser.add_argument("--args", default=os.environ.get("ARGS", ""))
    port = os.environ.get("PORT") or "8069"
    parser.add_argument("--port", type=_port, default=port)
    parser.add_argument("--workers", type=int, default=os.environ.get("WORKERS") or 0)
    parser.add_argument("--suites", default=os.environ.get("SUITES"))
    for name in ("redo", "once"):
        asked = os.environ.get(name.upper(), "") not in ("", "0")
        parser.add_argument(f"--{name}", action="store_true", default=asked)
    parser.add_argument("--db", default=os.environ.get("DB"))
    return parser.parse_args()


def _port(text):
    """Return a port somebody asked for."""
    if text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a port (1 to 65535)")


def main():
    """Run one command; return its exit code."""
    options = _options()
    for number in STOPPING:
        signal.signal(number, _stop)
    try:
        return int(COMMANDS[options.command](options) or 0)
    except Trouble as trouble:
        complain(trouble)
        return 1
    except OSError as error:
        complain(f"{error}\nIs the disk full, or does a folder belong to others?")
        return 1
    except Stopped as stopped:
        print("\nStopped.", flush=True)
        return 128 + stopped.args[0]


if __name__ == "__main__":
    sys.exit(main())
