"""A plugin for pytest: writes down how each test ended, as soon as it has, so that a
run that is cut short leaves what it saw. `make compare` reads it.

`-p note_outcomes --note-outcomes=FILE`; one JSON object a line.
"""

import json

LONGEST_TRACE = 8000


def pytest_addoption(parser):
    """Take the file's name."""
    parser.addoption("--note-outcomes", help="file that the outcomes go to")


def pytest_configure(config):
    """Start writing, if there is a file to write to."""
    path = config.getoption("--note-outcomes")
    if path:
        config.pluginmanager.register(Notes(path), "notes-of-outcomes")


class Notes:
    """The file."""

    def __init__(self, path):
        """Empty it."""
        self.file = open(path, "w", encoding="utf-8")  # noqa: SIM115 - open to the end

    def pytest_collectreport(self, report):
        """A file of tests that cannot be read counts as one test in error."""
        if report.failed:
            self._write(test=report.nodeid, outcome="error", **_why(report))

    def pytest_runtest_logreport(self, report):
        """A test may write twice: once for itself, once for its tidying up."""
        if report.when == "call" or not report.passed:
            failed = "failed" if report.when == "call" else "error"
            outcome = failed if report.failed else report.outcome
            facts = {"seconds": round(report.duration, 2), **_why(report)}
            self._write(test=report.nodeid, outcome=outcome, **facts)

    def pytest_sessionfinish(self, exitstatus):
        """Say that the run came to its end."""
        self._write(finished=int(exitstatus))
        self.file.close()

    def _write(self, **facts):
        """Write a line, and let it reach the disk at once."""
        self.file.write(json.dumps(facts) + "\n")
        self.file.flush()


def _why(report):
    """Return what a report says of its reason: in a line or two, and in full."""
    if report.passed:
        return {}
    if isinstance(report.longrepr, tuple):
        return {"why": str(report.longrepr[-1])}
    crash = getattr(report.longrepr, "reprcrash", None)
    trace = report.longreprtext
    why = crash.message if crash else trace.strip().rpartition("\n")[2]
    return {"why": why, "trace": trace[-LONGEST_TRACE:]}
