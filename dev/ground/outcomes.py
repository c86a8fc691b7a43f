"""What two runs of the same tests say, held against each other."""

import json

from .keep import write_stamp

# From the best to the worst; a test that is written down twice counts as its worst.
OUTCOMES = ("passed", "skipped", "failed", "error")
MISSING = "missing"
WIDEST = 300


class Run:
    """How each test of one run ended."""

    def __init__(self, tests=None, whole=False, seconds=0):
        """Keep the outcomes by the test's name, and whether the run came to its end."""
        self.tests = tests or {}
        self.whole = whole
        self.seconds = seconds

    @classmethod
    def read(cls, path, seconds):
        """Return what the plugin wrote down; a line half written is left out."""
        tests, whole = {}, False
        for line in path.read_text().splitlines() if path.exists() else ():
            try:
                facts = json.loads(line)
            except ValueError:
                continue
            if "finished" in facts:
                whole = True
            else:
                _keep_worst(tests, facts.pop("test"), facts)
        return cls(tests, whole, round(seconds))

    def save(self, path):
        """Keep the run for another time."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_stamp(path, tests=self.tests, whole=self.whole, seconds=self.seconds)

    def outcome(self, test):
        """Return how a test ended."""
        return self.tests.get(test, {}).get("outcome", MISSING)

    def why(self, test):
        """Return the reason a test gave, in one line."""
        return " ".join(self.tests.get(test, {}).get("why", "").split())[:WIDEST]

    def counts(self):
        """Return how many tests ended in which way."""
        found = [facts["outcome"] for facts in self.tests.values()]
        return {outcome: found.count(outcome) for outcome in OUTCOMES}

    def __str__(self):
        """Tell it in a line."""
        counted = [f"{number} {name}" for name, number in self.counts().items()]
        end = f"in {self.seconds} s" + ("" if self.whole else ", CUT SHORT")
        return f"{', '.join(counted)} ({end})"


def _keep_worst(tests, name, facts):
    """Add an outcome, unless a worse one of the same test is there."""
    known = tests.get(name)
    if not known or _rank(facts) > _rank(known):
        tests[name] = facts


def _rank(facts):
    """Return how bad an outcome is."""
    return OUTCOMES.index(facts["outcome"])


class Comparison:
    """One suite's run without our module and its run with it."""

    def __init__(self, suite, without, with_ours):
        """Keep both; `again` takes the runs of the differing tests by themselves."""
        self.suite = suite
        self.without = without
        self.with_ours = with_ours
        self.again = {}

    def differing(self):
        """Return the tests that ended differently, or ran on one side only."""
        both = {**self.without.tests, **self.with_ours.tests}
        return [test for test in both if self.sides(test)[0] != self.sides(test)[1]]

    def add_again(self, without, with_ours):
        """Take in how differing tests ended when run by themselves."""
        for test in {**without.tests, **with_ours.tests}:
            self.again[test] = (without, with_ours)

    def verdict(self, test):
        """Tell what a differing test amounts to. It is taken for unsteady only where
        it passes on both sides by itself: anything less proves nothing."""
        if self.again_outcomes(test) == ("passed", "passed"):
            return "unsteady"
        if self.sides(test)[0] == "passed":
            return "BROKEN"
        return "different"

    def again_outcomes(self, test):
        """Return how a test ended by itself: without, with."""
        runs = self.again.get(test)
        return tuple(run.outcome(test) for run in runs) if runs else None

    def broken(self):
        """Return the tests that pass without our module and do not with it."""
        return [test for test in self.differing() if self.verdict(test) == "BROKEN"]

    def good(self):
        """Tell whether nothing is broken: proven only by whole runs of some tests."""
        whole = self.without.whole and self.with_ours.whole
        return bool(whole and self.without.tests and not self.broken())

    def failing_alike(self):
        """Return the tests that fail on both sides."""
        bad = OUTCOMES[2:]
        return [
            test
            for test in self.without.tests
            if self.sides(test)[0] in bad and self.sides(test)[1] in bad
        ]

    def why(self, test):
        """Return the reason a test gave: with our module, else without."""
        return self.with_ours.why(test) or self.without.why(test)

    def sides(self, test):
        """Return how a test ended without and with our module."""
        return self.without.outcome(test), self.with_ours.outcome(test)

    def facts(self):
        """Return all of it for build/compare.json."""
        return {
            "suite": self.suite,
            "without": {"counts": self.without.counts(), **_end(self.without)},
            "with": {"counts": self.with_ours.counts(), **_end(self.with_ours)},
            "differing": [self._difference(test) for test in self.differing()],
            "failing_alike": [
                {"test": test, "without": self.without.why(test), "with": why}
                for test, why in ((t, self.why(t)) for t in self.failing_alike())
            ],
        }

    def _difference(self, test):
        """Return all that is known of one differing test."""
        without, with_ours = self.sides(test)
        return {
            "test": test,
            "without": without,
            "with": with_ours,
            "by_itself": self.again_outcomes(test),
            "verdict": self.verdict(test),
            "why": self.why(test),
            "trace": self.with_ours.tests.get(test, {}).get("trace", ""),
        }


def _end(run):
    """Return how a run itself ended."""
    return {"whole": run.whole, "seconds": run.seconds}


def table(comparisons):
    """Return the whole comparison as Markdown."""
    return "\n".join([*_overview(comparisons), *_details(comparisons)]) + "\n"


def _overview(comparisons):
    """Yield one line a suite. The numbers: passed, failed or in error, skipped."""
    yield "# Odoo's own tests without and with the module"
    yield ""
    yield "Passed / failed or in error / skipped."
    yield ""
    yield "| suite | without | with | differ | broken | fail on both sides |"
    yield "|---|---|---|---|---|---|"
    for each in comparisons:
        cells = (each.suite, _numbers(each.without), _numbers(each.with_ours))
        found = (each.differing(), each.broken(), each.failing_alike())
        yield f"| {' | '.join((*cells, *(str(len(tests)) for tests in found)))} |"


def _numbers(run):
    """Return a run's three numbers."""
    counts = run.counts()
    bad = counts["failed"] + counts["error"]
    short = "" if run.whole else " CUT SHORT"
    return f"{counts['passed']} / {bad} / {counts['skipped']}{short}"


def _details(comparisons):
    """Yield what is to be said of single tests."""
    for each in comparisons:
        if each.differing():
            yield from ("", f"## {each.suite}: different", "")
        for test in each.differing():
            without, with_ours = each.sides(test)
            again = each.again_outcomes(test)
            alone = f"; by itself {again[0]} / {again[1]}" if again else ""
            yield f"* **{each.verdict(test)}** `{test}`:"
            yield f"  {without} without, {with_ours} with{alone}."
            yield f"  {_code(each.why(test))}"
        if each.failing_alike():
            yield from ("", f"## {each.suite}: failing on both sides", "")
        for test in each.failing_alike():
            yield f"* `{test}`"
            yield f"  {_code(each.without.why(test))}"
            if each.why(test) != each.without.why(test):
                yield f"  with the module: {_code(each.why(test))}"


def _code(text):
    """Return a text as code, whatever is in it."""
    return f"`` {text} ``" if text else ""
