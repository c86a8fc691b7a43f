"""Databases, each made from the one before it by copying, which takes a second:

base      Odoo with the applications we build on; shared by all checkouts
module    a copy of it with our module installed; anew when the module changed
work      a copy of that for one run of the tests, the demo, the smoke test

To compare with and without our module there are two more. Both sides come from one
database, so that they differ by our module alone:

stock     a copy of the base with the module whose tests are compared; shared as well
beside    a copy of that with our module installed
"""

import ast
import hashlib
import re
import shutil

from .keep import lock, read_stamp, remove_tree, write_stamp
from .paths import (
    CACHE,
    CHECKOUT,
    CHECKOUT_KEY,
    DATA,
    MODULE,
    WORK,
    bridge_modules,
    short_hash,
)
from .say import Trouble, note, step
from .server import log_lines
from .shell import quiet

BASE_MODULES = (
    "mail",
    "portal",
    "sms",
    "calendar_sms",
    "base_automation",
    "contacts",
)
BASE_DATA = CACHE / "base"
# Nothing in these changes what an installation writes into the database.
NOT_INSTALLED = {"tests", "dev", "docs", "build", "addons", "node_modules"}
IGNORED = {"__pycache__", "node_modules"}
COMPLAINT = re.compile(r" (WARNING|ERROR|CRITICAL) ")
OURS = re.compile(rf"{MODULE}|secure\.")


class Databases:
    """The databases of this checkout in the private cluster."""

    def __init__(self, ground):
        """Keep what they are made with."""
        self.ground = ground
        self.psql = ground.cluster.psql

    def fresh(self, name, demo=False):
        """Return a new database with our module, called after its purpose."""
        with lock(WORK / "databases.lock", "this checkout's databases"):
            return self._work_copy(self._module(demo), name, DATA)

    def stock(self, name, module):
        """Return a new database with a module of Odoo's and without ours."""
        with lock(WORK / "databases.lock", "this checkout's databases"):
            return self._work_copy(self._stock(module), name, BASE_DATA)

    def beside(self, name, module):
        """Return a new database with a module of Odoo's and with ours."""
        with lock(WORK / "databases.lock", "this checkout's databases"):
            return self._work_copy(self._beside(module), name, DATA)

    def installed(self, database):
        """Return the names of the modules that are installed in a database."""
        sql = "SELECT name FROM ir_module_module WHERE state = 'installed'"
        return set(self.psql(sql, database).split())

    def stock_key(self, module):
        """Return what stands for all that is in the database `stock` copies."""
        return short_hash(self._base_name(demo=False), module)

    def work(self, name, demo=False):
        """Return the database of an earlier run, or a fresh one if there is none."""
        database = work_name(name)
        return database if self.exists(database) else self.fresh(name, demo)

    def move(self, database, cluster):
        """Take a database to another server, and make its commits lasting there: the
        shared server may forget the last ones when it is killed."""
        there = cluster.env
        dump = WORK / f"{database}.dump"
        quiet(
            ("pg_dump", "-Fc", "-f", dump, database),
            "The database could not be dumped.",
            env=self.ground.env,
        )
        cluster.psql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        cluster.psql(f'CREATE DATABASE "{database}" TEMPLATE template0')
        quiet(
            ("pg_restore", "--no-owner", "-d", database, dump),
            "The database could not be restored.",
            env=there,
        )
        cluster.psql(f'ALTER DATABASE "{database}" SET synchronous_commit = on')
        dump.unlink()
        self.psql(f'DROP DATABASE "{database}" WITH (FORCE)')

    def complaints(self, demo=False):
        """Return what Odoo's log said against our module as it was installed."""
        return read_stamp(_stamp(_module_name(demo))).get("complaints", [])

    def exists(self, database):
        """Tell whether there is such a database."""
        sql = f"SELECT 1 FROM pg_database WHERE datname = '{database}'"
        return self.psql(sql).strip() == "1"

    def drop(self, database):
        """Remove a database and its files, whoever may still be connected."""
        self.psql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        remove_tree(filestore(database))

    def drop_all(self):
        """Remove every database of this checkout."""
        sql = "SELECT datname FROM pg_database WHERE datname LIKE"
        for database in self.psql(f"{sql} 'sm\\_{CHECKOUT_KEY}\\_%'").split():
            self.drop(database)

    def _copy(self, source, target, source_data, target_data):
        """Copy a database and its files."""
        self.psql(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')
        files = filestore(target, target_data)
        remove_tree(files)
        if filestore(source, source_data).is_dir():
            shutil.copytree(filestore(source, source_data), files)

    def _work_copy(self, source, name, source_data):
        """Return a new copy of a database, called after its purpose."""
        database = work_name(name)
        self.drop(database)
        self._copy(source, database, source_data, DATA)
        return database

    def _module(self, demo):
        """Return the database with our module, installed anew if it changed."""
        return self._with_module(_module_name(demo), self._base(demo), demo)

    def _beside(self, module):
        """Return the database with our module beside a module of Odoo's."""
        stock = self._stock(module)
        if stock == self._base_name(demo=False):
            return self._module(demo=False)
        return self._with_module(work_name(f"beside_{module}"), stock, demo=False)

    def _with_module(self, database, source, demo):
        """Return a copy of a shared database with our module and its bridges."""
        stamp = _stamp(database)
        wanted = module_hash(source)
        known = read_stamp(stamp).get("module") == wanted
        if known and self.exists(database):
            return database
        stamp.unlink(missing_ok=True)
        step(f"Installing the module{' with demo data' if demo else ''}")
        self.drop(database)
        self._copy(source, database, BASE_DATA, DATA)
        modules = ",".join(our_modules())
        log = WORK / f"{database}.log"
        self._install(database, modules, log, demo, DATA)
        complaints = [line for line in log_lines(log) if _is_complaint(line)]
        write_stamp(stamp, module=wanted, complaints=complaints)
        return database

    def _base(self, demo):
        """Return the prepared database all checkouts copy from."""
        database = self._base_name(demo)
        with lock(CACHE / "base.lock", "preparing the base database"):
            if not self._is_prepared(database):
                step("Preparing a database with Odoo's applications, once")
                note("this takes about a minute")
                self._prepare(database, self._base_modules(), demo)
        return database

    def _stock(self, module):
        """Return the prepared database with a module of Odoo's, which is the base
        itself where that has it."""
        base = self._base(demo=False)
        if module in self.installed(base):
            return base
        database = f"{base}_{module}"
        with lock(CACHE / "base.lock", f"preparing a database with {module}"):
            if not self._is_prepared(database):
                step(f"Preparing a database with {module}, once")
                self._prepare(database, [module], demo=False, source=base)
        return database

    def _is_prepared(self, database):
        """Tell whether a shared database is there with its files."""
        return self.exists(database) and filestore(database, BASE_DATA).is_dir()

    def _prepare(self, database, modules, demo, source=None):
        """Make a shared database under another name; it gets its own when whole."""
        draft = f"{database}_draft"
        for name in (draft, database):
            self.psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            remove_tree(filestore(name, BASE_DATA))
        if source:
            self._copy(source, draft, BASE_DATA, BASE_DATA)
        log = BASE_DATA / f"{database}.log"
        self._install(draft, ",".join(modules), log, demo, BASE_DATA)
        filestore(draft, BASE_DATA).rename(filestore(database, BASE_DATA))
        self.psql(f'ALTER DATABASE "{draft}" RENAME TO "{database}"')

    def _base_name(self, demo):
        """Return the base database's name, which says what is in it."""
        key = short_hash(self.ground.odoo.key, *self._base_modules())
        return f"sm_base_{'demo_' if demo else ''}{key}"

    def _base_modules(self):
        """Return what is installed beforehand: what the bridges build on, too."""
        wanted = set(BASE_MODULES)
        for path in bridge_modules():
            manifest = ast.literal_eval((path / "__manifest__.py").read_text())
            wanted.update(manifest.get("depends", ()))
        return sorted(name for name in wanted if not name.startswith(MODULE))

    def _install(self, database, modules, log, demo, data):
        """Install modules into a database; the log goes to a file of its own."""
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        config = self.ground.write_config(
            log.with_suffix(".conf"), database, data_dir=data, logfile=log
        )
        if demo:
            modules = f"{modules} --with-demo"
        try:
            self.ground.run_odoo(
                config,
                *("--stop-after-init", "--no-http", "-i", *modules.split()),
                failing="The installation failed.",
            )
        except Trouble as trouble:
            tail = "\n".join(log_lines(log)[-40:])
            raise Trouble(f"{trouble}\n{tail}\n\nThe whole log: {log}") from None


def our_modules():
    """Return the names of our module and of its bridges."""
    return [MODULE, *(path.name for path in bridge_modules())]


def work_name(name):
    """Return the name of the database for one purpose."""
    return f"sm_{CHECKOUT_KEY}_{name}"


def filestore(database, data=DATA):
    """Return the folder that holds a database's files."""
    return data / "filestore" / database


def module_hash(*more):
    """Return what stands for all files an installation reads."""
    digest = hashlib.sha256("\0".join(more).encode())
    roots = [CHECKOUT, *bridge_modules()]
    for root in roots:
        for path in sorted(_installed_files(root)):
            digest.update(f"{path.relative_to(CHECKOUT)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _installed_files(root):
    """Yield the files of a module that its installation may read."""
    for path in root.iterdir():
        if path.name.startswith(".") or path.name in NOT_INSTALLED:
            continue
        if path.is_dir():
            inner = (p for p in path.rglob("*") if not IGNORED & set(p.parts))
            yield from (p for p in inner if p.is_file())
        elif path.suffix == ".py":
            yield path


def _module_name(demo):
    """Return the name of the database with our module."""
    return f"sm_{CHECKOUT_KEY}_module{'_demo' if demo else ''}"


def _stamp(database):
    """Return the file that says what a database was made from."""
    return WORK / f"{database}.json"


def _is_complaint(line):
    """Tell whether this line of Odoo's log warns about something of ours."""
    return bool(COMPLAINT.search(line) and OURS.search(line))
