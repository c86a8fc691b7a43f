"""A plugin for pytest: tries the faults of ground/mutants.py against the tests.

Odoo is loaded once. Each fault gets a process of its own, forked from there, in which
the code of one function is exchanged; the tests that run through that function decide,
the quickest first, until one fails.

`-p mutating --mutate=FILE:FILE --mutants-out=FILE [--mutants-share=1/2]
[--mutants-match=TEXT] [--mutants-known=FILE] [--mutants-tests=JSON]`
"""

import gc
import json
import os
import select
import signal
import sys
import threading
import time
import types
from pathlib import Path

from _pytest.runner import runtestprotocol
from ground import mutants

import odoo

PATIENCE = 30  # seconds over three times what the tests take without a fault


def pytest_addoption(parser):
    """Take what to change and where to write."""
    parser.addoption("--mutate", default="", help="source files, separated by :")
    parser.addoption("--mutants-out", help="file that the outcomes go to")
    parser.addoption("--mutants-share", default="1/1", help="which of how many parts")
    parser.addoption("--mutants-match", default="", help="only faults with this text")
    parser.addoption(
        "--mutants-tests", default="{}", help="files of tests by file to change, JSON"
    )
    parser.addoption(
        "--mutants-known", default="", help="outcomes; what was noticed is not tried"
    )


def pytest_runtestloop(session):
    """Run the tests our way."""
    odoo.modules.registry.Registry(odoo.tools.config["db_name"][0])
    mutating = Mutating(session)
    # Forked processes share what no collection touches
    gc.freeze()
    mutating.run()
    return True


class Mutating:
    """One run over all faults of some files."""

    def __init__(self, session):
        """Find the functions that are there, and the tests."""
        option = session.config.getoption
        self.session = session
        self.files = [Path(name).resolve() for name in option("--mutate").split(":")]
        self.out = Path(option("--mutants-out"))
        part, parts = map(int, option("--mutants-share").split("/"))
        self.share = part - 1, parts
        self.match = option("--mutants-match")
        self.own = json.loads(option("--mutants-tests"))
        self.known = _noticed(option("--mutants-known"))
        self.items = {item.nodeid: item for item in session.items}
        self.functions = self._functions()

    def _functions(self):
        """Functions of the files that are in memory, by file, name and line."""
        found = {}
        for thing in gc.get_objects():
            if isinstance(thing, types.FunctionType):
                key = self._key(thing.__code__)
                if key:
                    found.setdefault(key, []).append(thing)
        return found

    def _key(self, code):
        """What names a function's code; None when it is of no file of ours."""
        path = _resolved(code.co_filename)
        known = path in self.files
        return (str(path), code.co_qualname, code.co_firstlineno) if known else None

    def run(self):
        """The tests as they are, then each fault, then the tests once more."""
        self.passes = self._in_child(self._plain_run, seconds=3600)
        broken = [test for test, facts in self.passes.items() if not facts["passed"]]
        if broken or not self.passes:
            raise RuntimeError(f"fails without any fault: {broken}")
        with self.out.open("w") as out:
            for file in self.files:
                for facts in self._tried(file):
                    print(json.dumps(facts), file=out, flush=True)
        again = self._in_child(self._plain_run, seconds=3600)
        broken = [test for test, facts in again.items() if not facts["passed"]]
        with self.out.open("a") as out:
            print(json.dumps({"finished": True, "broken": broken}), file=out)

    def _tried(self, file):
        """What became of each fault of a file."""
        source = file.read_text()
        part, parts = self.share
        for number, mutant in enumerate(mutants.mutants_of(source)):
            if number % parts != part or self.match not in mutant.key:
                continue
            facts = {"file": file.name, "line": mutant.line, "key": mutant.key}
            if (file.name, mutant.key) in self.known:
                yield self.known[file.name, mutant.key] | facts
                continue
            code = compile(mutants.mutated(source, number), str(file), "exec")
            yield facts | self._outcome(file, code)

    def _outcome(self, file, module_code):
        """Try one fault."""
        changes = []
        for code in _codes_in(module_code):
            key = (str(file), code.co_qualname, code.co_firstlineno)
            for function in self.functions.get(key, ()):
                if function.__code__ != code.replace(
                    co_filename=function.__code__.co_filename
                ):
                    changes.append((key, function, code))
        touched = {key for key, _function, _code in changes}
        through = [
            test
            for test, facts in self.passes.items()
            if touched & {tuple(key) for key in facts["runs"]}
        ]
        own = tuple(f"{name}::" for name in self.own.get(file.name, ()))
        tests = self._in_order(
            [test for test in through if test.startswith(own)] or through
        )
        if not tests:
            return {"outcome": "not run"}
        seconds = sum(self.passes[test]["seconds"] for test in tests)
        ended = self._in_child(
            lambda: self._faulty_run(changes, tests), PATIENCE + 3 * seconds
        )
        if ended is None:
            return {"outcome": "hangs"}
        if ended:
            return {"outcome": "killed", "by": ended}
        return {"outcome": "survives", "tests": len(tests)}

    def _in_order(self, tests):
        """Quick classes of tests first, and in each the quick tests first."""
        by_class = {}
        for test in tests:
            by_class.setdefault(test.rpartition("::")[0], []).append(test)
        seconds = {test: facts["seconds"] for test, facts in self.passes.items()}
        groups = [sorted(group, key=seconds.get) for group in by_class.values()]
        groups.sort(key=lambda group: sum(map(seconds.get, group)) / len(group))
        return [test for group in groups for test in group]

    # -- in a process of its own -------------------------------------------------

    def _in_child(self, work, seconds):
        """What `work` returns in a forked process; None when it takes too long."""
        odoo.sql_db.close_all()
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            os.setsid()
            code = 1
            try:
                result = json.dumps(work()).encode()
                with os.fdopen(writer, "wb") as pipe:
                    pipe.write(result)
                code = 0
            finally:
                os._exit(code)
        os.close(writer)
        try:
            data = _read_all(reader, seconds)
        finally:
            os.close(reader)
            _end(child)
        if data is None:
            return None
        # A child that dies has noticed the fault as well
        return json.loads(data) if data else "the process ended"

    def _plain_run(self):
        """How long each test takes, and which functions it runs through."""
        running = set()

        def note(frame, event, _argument):
            if event == "call":
                key = known.get(frame.f_code, 0)
                if key == 0:
                    key = known[frame.f_code] = self._key(frame.f_code)
                if key:
                    running.add(key)

        known, passes = {}, {}
        threading.setprofile(note)
        sys.setprofile(note)
        set_up, of_class = None, []
        for test, passed, seconds in self._results(list(self.items)):
            if self.items[test].parent is not set_up:
                # What sets up a class is run by the first of its tests
                set_up, of_class = self.items[test].parent, list(running)
            runs = sorted(running.union(of_class))
            passes[test] = {"passed": passed, "seconds": seconds, "runs": runs}
            running.clear()
        return passes

    def _faulty_run(self, changes, tests):
        """The first test that fails with changed code; empty when none does."""
        for _key, function, code in changes:
            function.__code__ = code
        results = self._results(tests)
        return next((test for test, passed, _seconds in results if not passed), "")

    def _results(self, tests):
        """Run tests one after the other: (name, whether it passed, seconds)."""
        items = [self.items[test] for test in tests]
        for item, following in zip(items, [*items[1:], None], strict=True):
            start = time.monotonic()
            reports = runtestprotocol(item, nextitem=following, log=False)
            passed = not any(report.failed for report in reports)
            yield item.nodeid, passed, time.monotonic() - start


def _noticed(name):
    """Rows of an earlier run, by file and key."""
    rows = json.loads(Path(name).read_text()) if name else ()
    return {
        (row["file"], row["key"]): row
        for row in rows
        if row["outcome"] in ("killed", "hangs")
    }


def _codes_in(code):
    """All code objects inside a module's, however deep."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes_in(constant)


def _resolved(name, known={}):  # noqa: B006 - a cache
    """A path without the links in it."""
    if name not in known:
        known[name] = Path(name).resolve()
    return known[name]


def _read_all(reader, seconds):
    """What comes until the other side closes; None after so many seconds."""
    end, data = time.monotonic() + seconds, b""
    while True:
        left = end - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return None
        chunk = os.read(reader, 65536)
        if not chunk:
            return data
        data += chunk


def _end(child):
    """End a child and what it started."""
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    os.waitpid(child, 0)
