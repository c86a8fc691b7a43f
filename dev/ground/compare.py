"""`make compare`: Odoo's own tests without our module and with it. Both databases come
from one, and differ by our module and its bridges alone."""

import json
import time

from . import tests
from .databases import Databases, our_modules
from .keep import read_stamp, remove_tree
from .outcomes import Comparison, Run, table
from .paths import BUILD, CACHE, DEV, RUNS, short_hash
from .say import Trouble, complain, note, step
from .servers import sole
from .shell import start, stop

SUITES = "test_mail test_mail_sms test_mail_full test_mass_mailing mass_mailing_sms"
SUITES += " calendar test_base_automation sms calendar_sms portal"
FOLDER = RUNS / "compare"
KEPT = CACHE / "compare"
LIMIT = 45 * 60  # seconds one suite may take on one side
LIMIT_AGAIN = 15 * 60
# So many differing tests are repeated each in a process of its own; more at once.
BY_THEMSELVES = 10


def run(ground, suites, redo=False):
    """Compare each suite; return 1 if a test passes without our module only."""
    tests.require_suites(ground, suites)
    with sole("compare"):
        remove_tree(FOLDER)
        comparisons = []
        for suite in suites:
            comparisons.append(_compare(Sides(ground, suite), redo))
            _write(comparisons)
    print(f"\n{table(comparisons)}", flush=True)
    note(f"the same, with tracebacks: {BUILD}/compare.json")
    return _judge(comparisons)


def _compare(sides, redo):
    """Run one suite on both sides, and what differs once more."""
    step(f"Comparing {sides.suite}")
    sides.require_alike()
    kept = KEPT / f"{sides.suite}-{sides.key()}.json"
    known = {} if redo else read_stamp(kept)
    if known:
        without = Run(**known)
        note(f"without, from an earlier run (REDO=1 repeats it): {without}")
    else:
        without = sides.run(ours=False)
        note(f"without: {without}")
        if without.whole:
            without.save(kept)
    found = Comparison(sides.suite, without, sides.run(ours=True))
    note(f"with:    {found.with_ours}")
    for chosen in _portions(found.differing()):
        runs = [sides.run(ours, chosen) for ours in (False, True)]
        found.add_again(*runs)
        note(f"{len(chosen)} again, without: {runs[0]}")
        note(f"{len(chosen)} again, with:    {runs[1]}")
    return found


def _portions(differing):
    """Return which tests are repeated together: each alone, unless that takes long."""
    if len(differing) <= BY_THEMSELVES:
        return [[test] for test in differing]
    return [differing]


def _write(comparisons):
    """Write what is known so far."""
    BUILD.mkdir(exist_ok=True)
    (BUILD / "compare.md").write_text(table(comparisons))
    facts = [each.facts() for each in comparisons]
    (BUILD / "compare.json").write_text(json.dumps(facts, indent=1) + "\n")


def _judge(comparisons):
    """Return the exit code, and say what it is for."""
    bad = [each for each in comparisons if not each.good()]
    for each in bad:
        if each.broken():
            complain(f"{each.suite}: broken by the module: {len(each.broken())}.")
        else:
            complain(f"{each.suite}: a run was cut short, or ran no test; see {FOLDER}")
    return bool(bad)


class Sides:
    """One suite's two databases, and running its tests in them."""

    def __init__(self, ground, suite):
        """Keep what the runs are made with."""
        self.ground = ground
        self.suite = suite
        self.databases = Databases(ground)
        self.runs = 0

    def key(self):
        """Return what stands for everything the side without us depends on."""
        plugin = (DEV / "plugins" / "note_outcomes.py").read_text()
        stock = self.databases.stock_key(self.suite)
        return short_hash(stock, self.ground.python, plugin)

    def require_alike(self):
        """Refuse to compare databases that differ by more than our module."""
        without, with_ours = (
            self.databases.installed(self._database(ours)) for ours in (False, True)
        )
        if with_ours - without != set(our_modules()) or without - with_ours:
            raise Trouble(
                "The two databases differ by other modules than ours: "
                f"{', '.join(sorted(without ^ with_ours))}."
            )

    def run(self, ours, chosen=()):
        """Run the suite, or the chosen tests of it, in a fresh database."""
        name = "with" if ours else "without"
        self.runs += 1
        folder = FOLDER / f"{self.suite}-{self.runs}-{name}"
        folder.mkdir(parents=True)
        database = self._database(ours)
        options = {"logfile": folder / "odoo.log"}
        if not ours:
            stock = self.ground.odoo_addons()
            options["addons_path"] = ",".join(str(path) for path in stock)
        config = self.ground.write_config(folder / "odoo.conf", database, **options)
        root = self.ground.odoo.python
        paths = [root / test for test in chosen]
        paths = paths or [tests.odoo_tests(self.ground, self.suite)]
        noted = folder.with_suffix(".jsonl")
        plugin = ("-p", "note_outcomes", f"--note-outcomes={noted}", "-q", "--tb=short")
        command = tests.pytest(self.ground, config, database, root, [*plugin, *paths])
        seconds = self._run(command, folder, LIMIT_AGAIN if chosen else LIMIT)
        return Run.read(noted, seconds)

    def _run(self, command, folder, limit):
        """Run pytest, but not for ever; return the seconds it took."""
        env = dict(self.ground.env)
        env["PYTHONPATH"] += f":{DEV / 'plugins'}"
        begun = time.monotonic()
        process = start(command, folder / "pytest.out", cwd=folder, env=env)
        try:
            while process.poll() is None and time.monotonic() < begun + limit:
                time.sleep(0.2)
        finally:
            stop(process)
        return time.monotonic() - begun

    def _database(self, ours):
        """Return a fresh database of one side."""
        if ours:
            return self.databases.beside("compare_with", self.suite)
        return self.databases.stock("compare_without", self.suite)
