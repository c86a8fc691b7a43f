"""`make mutants`: whether the tests notice small faults in the code that decides who
gets in, and in the log. Writes docs/mutants.md; a survivor needs a reason in
dev/survivors.json."""

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

from .databases import Databases
from .paths import BUILD, CHECKOUT, DEV, LINK, RUNS
from .say import Trouble, complain, note, step
from .servers import sole
from .tests import pytest

FILES = {
    "tools/pin_policy.py": "tools people pin_care",
    "tools/pin_value.py": "tools pin_sources",
    "tools/one_time_code.py": "tools code",
    "tools/network.py": "tools throttle",
    "tools/token.py": "tools page",
    "tools/log_chain.py": "log_chain log_chain_rules log_checks",
    "models/secure_attempt.py": "throttle code parallel pin_care",
    "models/secure_attempt_merge.py": "contact_life throttle",
    "models/secure_pin.py": "people throttle pin_sources page compromised",
    "models/secure_pin_set.py": "pin_care people",
    "models/secure_pin_source.py": "pin_sources",
    "models/secure_pin_void.py": "compromised",
    "models/secure_code.py": "code",
    "models/secure_code_leaving.py": "code",
    "models/secure_address.py": "code contact_life attacks_inside",
    "models/secure_grant.py": "grants page page_rights contact_life removed_key",
    "models/secure_link.py": "page grants contact_life removed_key throttle log",
    "models/secure_link_gate.py": "page page_rights page_statements",
    "models/secure_link_key.py": "compromised removed_key",
    "models/secure_link_renewal.py": "page code conversation_life log contact_life",
    "models/secure_log_chain.py": "log log_chain log_chain_rules log_checks",
    "models/secure_access_log.py": "log log_chain log_checks",
    "models/secure_access_log_chain.py": "log log_chain log_checks",
    "models/secure_access_log_waiting.py": "log_checks log_chain forgetting",
    "models/secure_log_check.py": "log_checks log_chain",
    "models/secure_log_check_run.py": "log_checks log_chain",
}
"""What is changed, and the tests that are for it: those of them run that go through the
changed function, or whatever goes through it where none of them does."""
SHARES = 2
REASONS = DEV / "survivors.json"
REPORT = CHECKOUT / "docs" / "mutants.md"
KNOWN = BUILD / "mutants.json"
"""What the last run found. `AGAIN=1` does not try once more what was noticed then: a
whole run takes hours."""


def run(ground, match=""):
    """Try all faults; return 0 when each that survives is explained."""
    with sole("mutants"):
        found = _try_all(ground, match)
    if not match:
        BUILD.mkdir(exist_ok=True)
        KNOWN.write_text(json.dumps(found, indent=1))
    reasons = json.loads(REASONS.read_text())
    lasting = [row for row in found if row["outcome"] in ("survives", "not run")]
    open_ = [row for row in lasting if _name(row) not in reasons]
    for row in open_:
        complain(f"{row['outcome']}, line {row['line']}: {_name(row)}")
    if not match:
        REPORT.write_text(_report(found, reasons))
    note(f"{len(found)} faults, {len(lasting)} not noticed, {len(open_)} unexplained")
    return int(bool(open_))


def _try_all(ground, match):
    """Run the shares side by side, each in a database of its own."""
    folder = RUNS / "mutants"
    folder.mkdir(parents=True, exist_ok=True)
    databases = Databases(ground)
    own = {Path(file).name: _tests_of(names) for file, names in FILES.items()}
    tests = sorted({test for tests in own.values() for test in tests})
    step(f"Trying faults, {SHARES} at a time")
    processes = []
    for share in range(1, SHARES + 1):
        database = databases.fresh(f"mutants{share}")
        log = folder / f"odoo{share}.log"
        config = ground.write_config(
            folder / f"odoo{share}.conf", database, logfile=log
        )
        command = [
            *pytest(ground, config, database, LINK, [str(LINK / t) for t in tests]),
            *("-p", "mutating", "-q"),
            "--mutate=" + ":".join(str(CHECKOUT / file) for file in FILES),
            f"--mutants-out={folder}/{share}.jsonl",
            f"--mutants-share={share}/{SHARES}",
            f"--mutants-match={match}",
            f"--mutants-tests={json.dumps(own)}",
        ]
        if os.environ.get("AGAIN") and KNOWN.exists():
            command.append(f"--mutants-known={KNOWN}")
        env = dict(ground.env)
        env["PYTHONPATH"] += f":{DEV}:{DEV / 'plugins'}"
        with open(folder / f"{share}.out", "wb") as output:
            processes.append(
                subprocess.Popen(
                    [str(part) for part in command],
                    cwd=CHECKOUT,
                    env=env,
                    stdout=output,
                    stderr=output,
                )
            )
    for process in processes:
        process.wait()
    return _outcomes(folder)


def _tests_of(names):
    """Return the files of tests that short names stand for."""
    return [f"tests/test_{name}.py" for name in names.split()]


def _outcomes(folder):
    """Read what the shares wrote."""
    found = []
    for share in range(1, SHARES + 1):
        lines = (folder / f"{share}.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        if not rows or not rows[-1].get("finished"):
            raise Trouble(f"The run was cut short; see {folder}/{share}.out")
        if rows[-1]["broken"]:
            raise Trouble(f"Afterwards the tests failed by themselves: {rows[-1]}")
        found += rows[:-1]
    order = [file.rpartition("/")[2] for file in FILES]
    return sorted(found, key=lambda row: (order.index(row["file"]), row["line"]))


def _name(row):
    """What names a fault in the list of reasons."""
    return f"{row['file']} {row['key']}"


def _report(found, reasons):
    """Return the page for docs/."""
    lines = [
        "# Small faults, and whether the tests notice them",
        "",
        "`make mutants` flips each comparison, condition, boolean and return in the",
        "functions of these files, one at a time, in Python and in SQL, and runs those",
        "of the file's tests that go through the changed function, until one fails.",
        "This page is its report.",
        "",
        "| file | faults | noticed | of these by hanging | not noticed |",
        "|---|---|---|---|---|",
    ]
    for file in dict.fromkeys(row["file"] for row in found):
        count = Counter(row["outcome"] for row in found if row["file"] == file)
        lasting = count["survives"] + count["not run"]
        total = sum(count.values())
        lines.append(
            f"| `{file}` | {total} | {total - lasting} | {count['hangs']} | {lasting} |"
        )
    lines += [
        "",
        "Not noticed, and why that is no gap:",
        "",
        "| file | line | function: what was changed | why |",
        "|---|---|---|---|",
    ]
    for row in found:
        if row["outcome"] in ("survives", "not run"):
            reason = reasons.get(_name(row), "**not explained**")
            what = row["key"].replace("|", "\\|")
            lines.append(f"| `{row['file']}` | {row['line']} | `{what}` | {reason} |")
    return "\n".join([*lines, ""])
